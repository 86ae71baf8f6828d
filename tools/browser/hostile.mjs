// Names that try to be something else: markup, formulas, other directions, lines, encodings. Each is a name that the ledger
// takes (1 to 255 characters, no control characters), or one that it must refuse with words.

const MARKUP = [
  "<script>alert(1)</script>", "</title><script>alert(2)</script>", "<img src=x onerror=alert(3)>", "<svg onload=alert(4)>",
  "\"><script>alert(5)</script>", "'><img src=x onerror=alert(6)>", "\" autofocus onfocus=alert(7) x=\"", "' onmouseover='alert(8)",
  "javascript:alert(9)", "<a href=javascript:alert(10)>x</a>", "<iframe srcdoc='<script>alert(11)</script>'>", "<!--", "-->", "<![CDATA[",
  "]]>", "</script>", "</style>", "</textarea><script>alert(12)</script>", "</option></select><script>alert(13)</script>", "<base href=//example.net>",
  "<meta http-equiv=refresh content=0;url=//example.net>", "<form action=//example.net>", "<button formaction=//example.net>", "<style>*{display:none}</style>",
  "<link rel=stylesheet href=//example.net/x.css>", "<object data=x>", "<embed src=x>", "<math><mi//xlink:href=\"data:x,<script>alert(14)</script>\">",
  "&lt;script&gt;alert(15)&lt;/script&gt;", "&#60;script&#62;", "&amp;amp;", "&nbsp;", "&", "<", ">", "\"", "'", "`", "`${alert(16)}`", "{{7*7}}", "{% raw %}", "${7*7}", "#{7*7}",
  "<%= 7*7 %>", "[[7*7]]", "%3Cscript%3E", "\\u003cscript\\u003e", "\\x3cscript\\x3e", "<scr<script>ipt>", "<ScRiPt>alert(17)</sCrIpT>", "＜script＞",
];
const FORMULAS = [
  "=cmd|'/c calc'!A1", "=1+1", "+1+1", "-1+1", "@SUM(1+1)", "=HYPERLINK(\"http://example.net\")", "=IMPORTXML(\"x\",\"y\")", "%0A=1+1", "|calc", ";=1+1",
];
const DIRECTIONS = [
  "\u202eevil\u202c", "abc\u202edef", "\u2066x\u2069", "שלום עולם", "مرحبا", "\u200fabc", "abc \u05d0\u05d1 def", "\u061cabc", "a\u202bb\u202cc", "(\u05d0)",
];
const INVISIBLE = ["a\u200bb", "\u200b\u200b", "\u2060word", "\ufeffbom", "soft\u00adhyphen", "a\u200db", "x\u3000y", "\u2800", "a\u034fb", "\u180e", "\u200c"];
const WIDE = [
  "🔑 key", "👩‍👩‍👧‍👦", "🏳️‍🌈", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𠜎𠜱𠝹", "🇦🇶", "\u{10ffff}", "𒐫𒐫𒐫", "﷽", "Z̴̡̛a̷͘l̵g̶o̸", "e\u0301", "é", "ﬁ", "ß", "İ", "ı", "ǅ", "日本語のトークン", "한국어", "ไทย", "Ω≈ç√∫", "ᚠᛇᚻ", "(╯°□°)╯︵ ┻━┻", "½⅓", "ﾟ･✿ヾ",
];
const PATHS = [
  "../../etc/passwd", "..\\..\\x", "/", "//", ".", "..", "%00", "%2e%2e%2f", "C:\\x", "file:///etc/passwd", "?as_of=now", "#main", "a/b?c=d&e=f#g", "http://example.net/", "//example.net", "a;b=c", "name=value&csrf=x", "+", "a+b c", "100%", "%", "%zz", "\\", "\\\\host",
];
const QUERIES = [
  "' OR '1'='1", "'; DROP TABLE events; --", "\" OR \"\"=\"", "1; SELECT 1", "UNION SELECT", "Robert'); --", "$(id)", "`id`", "| id", "&& id", "; id", "${IFS}", "*)(uid=*", "a' and sleep(0) and 'a", "null", "undefined", "NaN", "true", "0", "-1", "1e999", "[object Object]", "__proto__", "constructor", "NULL", "None", "nil",
];
// What a text field of a browser cannot hold or the ledger refuses: sent as a form, not typed.
export const REFUSED = ["a\r\nSet-Cookie: x=1", "line\nbreak", "nul\u0000l", "bell\u0007", "esc\u001b[31m", "tab\tbed", "del\u007f", "\u0085next", "\u00a0", "", " ", "x".repeat(256)];

export const HOSTILE = [...MARKUP, ...FORMULAS, ...DIRECTIONS, ...INVISIBLE, ...WIDE, ...PATHS, ...QUERIES, "x".repeat(255), "🔑".repeat(60), "a".repeat(100) + " " + "b".repeat(100)];
