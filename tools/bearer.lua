-- wrk script: GET $URLPATH with one token after the other of $TOKENFILE (a line each) in Authorization. A line can
-- have a path of its own behind its token.
local path = os.getenv("URLPATH") or "/v2/whoami"
local requests = {}
function init(arguments)
  for line in io.lines(os.getenv("TOKENFILE")) do
    local token, own = line:match("^(%S+)%s*(%S*)")
    requests[#requests + 1] = wrk.format("GET", own ~= "" and own or path, { ["Authorization"] = "Bearer " .. token })
  end
end
local at = 0
function request()
  at = at % #requests + 1
  return requests[at]
end
-- With $DELAYMS each connection waits so long between an answer and its next request.
local milliseconds = tonumber(os.getenv("DELAYMS") or "0")
if milliseconds > 0 then
  function delay()
    return milliseconds
  end
end
