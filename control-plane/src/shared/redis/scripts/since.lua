-- A page of the records of a replicated set that changed after a revision: the revision now, the revision up to
-- which this page goes, then id, bytes, id, bytes, ... Revision 0 where the set was lost since the one asked for.
--
-- KEYS     as in put.lua
-- ARGV[1]  the revision; ARGV[2] most records; ARGV[3] bytes after which the page ends
local revision, since = tonumber(redis.call('GET', KEYS[1]) or '0') or 0, tonumber(ARGV[1])
if since > revision or since > 0 and math.floor(since / 4294967296) ~= math.floor(revision / 4294967296) then
  return { 0, 0 }
end
local most, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local after = string.format('(%.0f', since)
local found = redis.call('ZRANGEBYSCORE', KEYS[2], after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
local page = { revision, revision }
for i = 1, #found, 2 do
  local bytes = redis.call('HGET', KEYS[3], found[i])
  if bytes then
    page[#page + 1] = found[i]
    page[#page + 1] = bytes
    room = room - #bytes
  end
  -- There may be more behind the last one of a full page.
  if room <= 0 or i + 1 >= 2 * most then
    page[2] = tonumber(found[i + 1])
    break
  end
end
return page
