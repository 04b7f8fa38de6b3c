#!lua
-- KEYS room void | ARGV blocked(0|1). A room that is not there is left so.
if redis.call('EXISTS', KEYS[2]) == 1 then return 'VOID' end
if redis.call('HEXISTS', KEYS[1], 'record') == 0 then return 'OK' end
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], 'blocked', 1) else redis.call('HDEL', KEYS[1], 'blocked') end
return 'OK'
