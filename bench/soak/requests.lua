-- The same requests as requests.js, for wrk.
local function path()
  local kind = math.random()
  if kind < 0.6 then
    local documents = math.random() < 0.8 and 1000 or 200000
    return "/documents/" .. math.random(0, documents - 1)
  end
  if kind < 0.8 then return "/calls/" .. math.random(0, 199999) end
  return kind < 0.9 and "/proxied/" .. math.random(0, 199999) or "/livez"
end

init = function(args)
  math.randomseed(tonumber(args[1]))
end

request = function()
  return wrk.format("GET", path(), { ["X-Client"] = "client-" .. math.random(0, 1999999) })
end
