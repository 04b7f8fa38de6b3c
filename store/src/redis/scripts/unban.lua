#!lua
-- KEYS room bans | ARGV user. Is the room there?
if redis.call('HEXISTS', KEYS[1], 'rev') == 0 then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
