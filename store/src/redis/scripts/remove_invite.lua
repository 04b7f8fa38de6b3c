#!lua
-- KEYS room members invites | ARGV by byRole hash
if redis.call('HEXISTS', KEYS[1], 'rev') == 0 then return 'NO_ROOM' end
if string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^%S*') ~= ARGV[2] then return 'ROLES_CHANGED' end
if redis.call('HDEL', KEYS[3], ARGV[3]) == 0 then return 'NO_INVITE' end
return 'OK'
