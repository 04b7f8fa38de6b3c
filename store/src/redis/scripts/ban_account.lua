#!lua
-- KEYS user sessions channel | ARGV record next. Gives OK and the sessions that end.
local record = redis.call('GET', KEYS[1])
if record ~= ARGV[1] and record ~= ARGV[2] then return {'CHANGED'} end -- `next` already: the same call again
local out = {'OK'}
for _, session in ipairs(redis.call('HKEYS', KEYS[2])) do out[#out + 1] = session end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('SPUBLISH', KEYS[3], 'x')
return out
