-- Takes one from a day's quota, and answers 1 if there was one left.
--
-- KEYS[1]  how many were taken that day
-- ARGV[1]  the quota
-- ARGV[2]  seconds to keep the count
if (tonumber(redis.call('GET', KEYS[1]) or '0') or 0) >= tonumber(ARGV[1]) then
  return 0
end
if redis.call('INCR', KEYS[1]) == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return 1
