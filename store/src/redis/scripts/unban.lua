#!lua
-- KEYS room bans | ARGV user. Is the room there?
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
