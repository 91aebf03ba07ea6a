-- Adds suspicious actions to a session, and answers the new count.
--
-- KEYS[1]  the session's count
-- ARGV[1]  how many; 0 only reads
-- ARGV[2]  seconds after which it is forgotten, from now on
local count = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
local by = tonumber(ARGV[1])
if by > 0 then
  count = math.min(count + by, 4294967295)
  redis.call('SET', KEYS[1], string.format('%.0f', count), 'EX', ARGV[2])
end
return count
