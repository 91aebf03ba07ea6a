-- Adds requests to a rate cell (GCRA), and answers how far it is ahead of now, µs.
--
-- KEYS[1]  the cell: "ahead at most", all µs. What is kept is how far the cell was ahead and when, not the theoretical
--          arrival time: so a clock of the server that steps back lengthens no limit. The last is ARGV[4] of who charged.
-- ARGV[1]  what the requests cost, µs; 0 only reads
-- ARGV[2]  the most it can be ahead, µs
-- ARGV[3]  how far it was ahead before the requests at least, µs
-- ARGV[4]  how far a full cell of the limit is ahead, µs. What charges with another number left, those of a policy that is
--          not in force any more, counts as no more than this; what those with the same number left may be more, where
--          several replicas let a burst through, and is paid back.
--
-- The server's clock counts, since the replicas' clocks differ.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ahead, at, most = 0, now, tonumber(ARGV[4])
local kept_most
local kept = redis.call('GET', KEYS[1])
if kept then
  -- Versions before this one kept no third number: that is another one.
  local kept_ahead, kept_at, of_most = string.match(kept, '^(%d+) (%d+) ?(%d*)$')
  if kept_ahead then
    ahead, at, kept_most = tonumber(kept_ahead), tonumber(kept_at), tonumber(of_most)
  end
end
ahead = math.max(0, ahead - math.max(0, now - at))
if kept_most ~= most then
  ahead = math.min(ahead, most)
end
local cost = tonumber(ARGV[1])
if cost > 0 then
  ahead = math.min(math.max(ahead, tonumber(ARGV[3])) + cost, tonumber(ARGV[2]))
  -- For 60 seconds at least, and until the cell has drained.
  local keep_ms = math.max(60000, math.ceil(ahead / 1000))
  redis.call('SET', KEYS[1], string.format('%.0f %.0f %.0f', ahead, now, most), 'PX', string.format('%.0f', keep_ms))
end
return ahead
