-- wrk: an application asking POST /check about 20,000 visitors.

local VISITORS = 20000
local token = os.getenv("TOKEN")
local agents = {
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "python-requests/2.28.0",
}
local requests = {}

-- Each connection waits so long before its next question.
local pause = tonumber(os.getenv("PAUSE_MS") or "0")
if pause > 0 then
  function delay()
    return pause
  end
end

function init(args)
  for number = 1, VISITORS do
    local body = string.format(
      '{"ip": "101.%d.%d.%d", "user_agent": "%s", "endpoint": "/articles/%d", "method": "GET"}',
      math.floor(number / 65536), math.floor(number / 256) % 256, number % 256, agents[number % #agents + 1], number % 40 + 1)
    requests[number] = wrk.format("POST", "/check", {
      ["Host"] = "sallyport",
      ["Authorization"] = "Bearer " .. token,
      ["Content-Type"] = "application/json",
    }, body)
  end
end

local sent = 0
function request()
  sent = sent % VISITORS + 1
  return requests[sent]
end
