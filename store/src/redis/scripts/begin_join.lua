#!lua
-- KEYS user intents | ARGV room attempt. Gives 0 where the account is gone.
if redis.call('GETRANGE', KEYS[1], 0, 3) == 'gone' then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
