#!lua
-- KEYS room outcomes | ARGV a user and their outcome(JSON) in turn. Of a room that is gone nothing is kept.
if redis.call('HEXISTS', KEYS[1], 'rev') == 1 then redis.call('HSET', KEYS[2], unpack(ARGV)) end
return 1
