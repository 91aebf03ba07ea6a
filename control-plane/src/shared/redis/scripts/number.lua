-- Gives a snapshot's content its number among all replicas: the latest one where the content is still the same and
-- the number is above ARGV[2], else one more than both. Answers number, time and content of what is latest then.
--
-- KEYS[1]  the latest snapshot: number, created (Unix ms), digest
-- ARGV[1]  digest of the content; ARGV[2] the number to stay above
local latest = redis.call('HMGET', KEYS[1], 'number', 'created', 'digest')
local number, above = tonumber(latest[1] or '0') or 0, tonumber(ARGV[2])
local created = latest[2]
-- What is far above, or no number, is not of a replica: near 2^53 one more would be the same, and filters would not
-- notice later snapshots.
if not (number <= above + 4294967296) then
  number = 0
end
if latest[3] ~= ARGV[1] or number <= above or not created then
  local time = redis.call('TIME')
  number = math.max(number, above) + 1
  created = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
  redis.call('HSET', KEYS[1], 'number', string.format('%.0f', number), 'created', created, 'digest', ARGV[1])
end
return { string.format('%.0f', number), created, ARGV[1] }
