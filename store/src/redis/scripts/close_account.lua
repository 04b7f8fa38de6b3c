#!lua
-- KEYS user sessions presence channel | ARGV record gone, then for an idle guest: since when they must not have been seen(ms)
-- Gives OK and the sessions that end.
local record = redis.call('GET', KEYS[1])
-- The same call again, after its answer was lost.
if record == ARGV[2] then return {'OK'} end
if record ~= ARGV[1] then return {'CHANGED'} end
local sessions = redis.call('HGETALL', KEYS[2])
if ARGV[3] then
  local since = tonumber(ARGV[3])
  for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do
    if string.sub(field, 1, 2) == 'd:' then return {'SEEN'} end
  end
  for _, at in ipairs({'left', 'last_seen'}) do
    if tonumber(redis.call('HGET', KEYS[3], at) or since) > since then return {'SEEN'} end
  end
  for at = 2, #sessions, 2 do
    if tonumber(string.match(sessions[at], '^%S+ %-?%d+ (%-?%d+) ')) > since then return {'SEEN'} end
  end
end
local out = {'OK'}
for at = 1, #sessions, 2 do out[#out + 1] = sessions[at] end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('SPUBLISH', KEYS[4], 'x')
return out
