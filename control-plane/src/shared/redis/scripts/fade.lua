-- Adds events to a count that fades, count * e^(-passed / tau) + by, and answers it as text: numbers lose their
-- fraction on the way.
--
-- KEYS[1]  the count: "count at", at in µs
-- ARGV[1]  how many
-- ARGV[2]  time constant, seconds
-- ARGV[3]  seconds after which nothing is left of it
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local count = 0
local kept = redis.call('GET', KEYS[1])
if kept then
  local kept_count, kept_at = string.match(kept, '^(%S+) (%d+)$')
  if kept_count then
    local passed = math.max(0, now - tonumber(kept_at)) / 1000000
    count = (tonumber(kept_count) or 0) * math.exp(-passed / tonumber(ARGV[2]))
  end
end
-- The largest number that 32 bits hold.
count = math.min(count + tonumber(ARGV[1]), 3.4e38)
local text = string.format('%.9g', count)
redis.call('SET', KEYS[1], string.format('%s %.0f', text, now), 'EX', ARGV[3])
return text
