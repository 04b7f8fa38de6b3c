#!lua flags=no-writes
-- Behind `page()`, which is history.lua with its own KEYS and ARGV (a limit of 0: no messages).
-- KEYS room messages joined members marks | ARGV those of the page (5) after limit
-- Gives the number of members, users, memberships, marks, and the page; or nothing.
local count = redis.call('HGET', KEYS[1], 'members')
if not count then return false end
local users = redis.call('ZRANGE', KEYS[3], '(' .. ARGV[6], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[7])
local members, marks = {}, {}
if #users > 0 then
  members = redis.call('HMGET', KEYS[4], unpack(users))
  marks = redis.call('HMGET', KEYS[5], unpack(users))
end
return {count, users, members, marks, ARGV[3] == '0' and {} or page()}
