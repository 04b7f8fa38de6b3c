#!lua
-- KEYS sessions channel user | ARGV only except now, as end_sessions.lua; record next. Gives what ended.
local record = redis.call('GET', KEYS[3])
if record ~= ARGV[4] and record ~= ARGV[5] then return false end -- `next` already: the same call again
redis.call('SET', KEYS[3], ARGV[5])
return page()
