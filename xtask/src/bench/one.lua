-- wrk: one person with a browser who asks for the same page again and again, far faster than any limit.

local request_text = wrk.format("GET", "/articles/7", {
  ["Host"] = "site.test",
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  ["Accept"] = "text/html",
  ["Accept-Language"] = "de,en-US;q=0.7,en;q=0.3",
  ["Accept-Encoding"] = "gzip",
  ["X-Forwarded-For"] = "101.2.3.4",
})

function request()
  return request_text
end

function delay()
  return 5
end
