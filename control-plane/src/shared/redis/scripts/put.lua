-- Puts records into a replicated set, each under a revision of its own, and answers the last revision.
--
-- KEYS[1]  the revision: an epoch times 2^32, plus a count. The epoch is of the time when the set was begun, so
--          that a set that was lost and begun again is noticed.
-- KEYS[2]  sorted set: ids by revision
-- KEYS[3]  hash: bytes by id
-- ARGV     id, bytes, id, bytes, ...
local revision = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if revision == 0 then
  revision = (tonumber(redis.call('TIME')[1]) % 1048575 + 1) * 4294967296
end
for i = 1, #ARGV, 2 do
  revision = revision + 1
  redis.call('ZADD', KEYS[2], string.format('%.0f', revision), ARGV[i])
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
redis.call('SET', KEYS[1], string.format('%.0f', revision))
return revision
