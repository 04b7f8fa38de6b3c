#!lua
-- KEYS room members bans | ARGV by byRole user
if redis.call('HEXISTS', KEYS[1], 'rev') == 0 then return 'NO_ROOM' end
if string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^%S*') ~= ARGV[2] then return 'ROLES_CHANGED' end
redis.call('HDEL', KEYS[3], ARGV[3])
return 'OK'
