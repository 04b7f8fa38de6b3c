#!lua
-- KEYS sessions channel user | ARGV session record now keep password('': any). Gives -1 where the account is gone, -2
-- where it is banned, 0 where it has another password.
local text = redis.call('GET', KEYS[3]) or ''
if string.sub(text, 1, 4) == 'gone' then return -1 end
local user = string.sub(text, 1, 1) == '{' and cjson.decode(text) or {}
if user.banned_at then return -2 end
if ARGV[5] ~= '' and user.password_hash ~= ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local now, last, others = tonumber(ARGV[3]), 0, {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local used, expires = string.match(all[at + 1], '^%S+ %-?%d+ (%-?%d+) (%-?%d+) ')
  used, expires = tonumber(used), tonumber(expires)
  if expires <= now and all[at] ~= ARGV[1] then
    redis.call('HDEL', KEYS[1], all[at])
  else
    last = math.max(last, expires)
    if all[at] ~= ARGV[1] then others[#others + 1] = {all[at], used} end
  end
end
table.sort(others, function(a, b) return a[2] > b[2] or (a[2] == b[2] and a[1] > b[1]) end)
for at = math.max(1, tonumber(ARGV[4])), #others do
  redis.call('HDEL', KEYS[1], others[at][1])
  redis.call('SPUBLISH', KEYS[2], 's ' .. others[at][1])
end
-- There is no expiry of a field: the hash goes with its last session, and what expired before with the next login.
redis.call('PEXPIREAT', KEYS[1], string.format('%d', last))
return 1
