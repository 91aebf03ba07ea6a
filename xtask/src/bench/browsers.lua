-- wrk: 16,000 people with browsers, each from an address of their own (X-Forwarded-For, one trusted hop), reading
-- a page and loading its assets, one person after the other. UNCERTAIN_PERCENT of the requests come from somebody hard to judge, nearly always from an
-- address not seen before, so that no cached verdict helps.

local PEOPLE = 16000
local uncertain = tonumber(os.getenv("UNCERTAIN_PERCENT") or "0")

local browsers = {
  {
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ["Sec-CH-UA"] = '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    ["Sec-CH-UA-Mobile"] = "?0",
    ["Sec-CH-UA-Platform"] = '"Linux"',
    ["Accept-Language"] = "en-GB,en;q=0.9",
  },
  {
    ["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ["Accept-Language"] = "de,en-US;q=0.7,en;q=0.3",
  },
}
-- A page and what it loads.
local visits = {
  { path = "/articles/", accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    mode = "navigate", dest = "document" },
  { path = "/assets/site.css", accept = "text/css,*/*;q=0.1", mode = "no-cors", dest = "style" },
  { path = "/assets/site.js", accept = "*/*", mode = "no-cors", dest = "script" },
  { path = "/assets/logo.png", accept = "image/avif,image/webp,image/*;q=0.8", mode = "no-cors", dest = "image" },
}

local function visit(number, step)
  local headers = {
    ["Host"] = "site.test",
    ["Accept"] = step.accept,
    ["Accept-Encoding"] = "gzip, deflate, br, zstd",
    ["Referer"] = "http://site.test/articles",
    ["Cookie"] = "theme=dark; visit=" .. number,
    ["Sec-Fetch-Site"] = "same-origin",
    ["Sec-Fetch-Mode"] = step.mode,
    ["Sec-Fetch-Dest"] = step.dest,
    ["X-Forwarded-For"] = string.format("101.%d.%d.%d",
      math.floor(number / 65536), math.floor(number / 256) % 256, number % 256),
  }
  for name, value in pairs(browsers[number % #browsers + 1]) do
    headers[name] = value
  end
  local path = step.path
  if path == "/articles/" then
    path = path .. (number % 40 + 1)
  end
  return wrk.format("GET", path, headers)
end

local requests = {}
local hard_to_judge
local next_request = 0
local sent = 0

function init(args)
  for number = 1, PEOPLE do
    for _, step in ipairs(visits) do
      requests[#requests + 1] = visit(number, step)
    end
  end
  -- A browser that names no language: scores between monitor and challenge.
  hard_to_judge = wrk.format("GET", "/articles/7", {
    ["Host"] = "site.test",
    ["User-Agent"] = browsers[1]["User-Agent"],
    ["Accept"] = "text/html",
    ["Accept-Encoding"] = "gzip",
    ["X-Forwarded-For"] = "102.ADDRESS",
  })
  math.randomseed(os.time())
  -- Rounds begin with different people.
  next_request = math.random(1, PEOPLE) * #visits
end

function request()
  sent = sent + 1
  if uncertain > 0 and sent % 100 < uncertain then
    local address = string.format("%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
    return (hard_to_judge:gsub("ADDRESS", address))
  end
  next_request = next_request % #requests + 1
  return requests[next_request]
end
