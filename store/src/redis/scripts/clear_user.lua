#!lua
-- KEYS presence channel, then all else of the user | ARGV default(JSON) event(JSON)
local published = redis.call('HGET', KEYS[1], 'published')
if published and published ~= ARGV[1] then redis.call('SPUBLISH', KEYS[2], ARGV[2]) end
redis.call('UNLINK', KEYS[1], unpack(KEYS, 3))
return #KEYS
