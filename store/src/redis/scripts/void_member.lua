#!lua
-- KEYS members void | ARGV ttl(ms) user. Is the user a member? The attempt of this `void` key can change it no more.
redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
return redis.call('HEXISTS', KEYS[1], ARGV[2])
