#!lua
-- KEYS room salt | ARGV new. The room's salt: the new one, where it had none; false: no such room.
if redis.call('HEXISTS', KEYS[1], 'rev') == 0 then return false end
redis.call('SET', KEYS[2], ARGV[1], 'NX')
return redis.call('GET', KEYS[2])
