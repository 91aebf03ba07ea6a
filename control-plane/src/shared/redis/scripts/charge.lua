-- Adds requests to a rate cell (GCRA), and answers how far it is ahead of now, µs.
--
-- KEYS[1]  the cell: "ahead at", both µs. What is kept is how far the cell was ahead and when, not the theoretical
--          arrival time: so a clock of the server that steps back lengthens no limit.
-- ARGV[1]  what the requests cost, µs; 0 only reads
-- ARGV[2]  the most it can be ahead, µs
-- ARGV[3]  how far it was ahead before the requests at least, µs
--
-- The server's clock counts, since the replicas' clocks differ.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ahead, at = 0, now
local kept = redis.call('GET', KEYS[1])
if kept then
  local kept_ahead, kept_at = string.match(kept, '^(%d+) (%d+)$')
  if kept_ahead then
    ahead, at = tonumber(kept_ahead), tonumber(kept_at)
  end
end
ahead = math.max(0, ahead - math.max(0, now - at))
local cost = tonumber(ARGV[1])
if cost > 0 then
  ahead = math.min(math.max(ahead, tonumber(ARGV[3])) + cost, tonumber(ARGV[2]))
  -- For 60 seconds at least, and until the cell has drained.
  local keep_ms = math.max(60000, math.ceil(ahead / 1000))
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', ahead, now), 'PX', string.format('%.0f', keep_ms))
end
return ahead
