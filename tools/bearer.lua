-- wrk script: GET $URLPATH with one token after the other of $TOKENFILE (a line each) in Authorization.
local path = os.getenv("URLPATH") or "/v2/whoami"
local requests = {}
function init(arguments)
  for line in io.lines(os.getenv("TOKENFILE")) do
    requests[#requests + 1] = wrk.format("GET", path, { ["Authorization"] = "Bearer " .. line })
  end
end
local at = 0
function request()
  at = at % #requests + 1
  return requests[at]
end
