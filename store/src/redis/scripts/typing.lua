#!lua
-- KEYS room channel | ARGV event. Tells nobody of a direct room where one blocks the other.
if redis.call('HEXISTS', KEYS[1], 'blocked') == 0 then redis.call('SPUBLISH', KEYS[2], ARGV[1]) end
return 1
