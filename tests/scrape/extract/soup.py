"""Documents that no editor would write: every form of media, in every odd spelling and place, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

#: What may stand around media; `%` is where.
AROUND = (
    "%", "%", "%", "%", "<div>%</div>", "<p>%", "<noscript>%</noscript>", "<template>%</template>", "<!--%-->",
    "<!-->%-->", "<!--->%-->", "<!--%--!>", "<!-- <!-- %-->", "<!--%--!x>%-->", "<!x %>", "<?x %?>",
    "<![CDATA[%]]>", "<svg>%</svg>", "<svg><foreignObject>%</foreignObject></svg>", "<svg><desc>%</svg>",
    "<math>%</math>", "<math><mi>%</mi></math>", "<math><annotation-xml encoding=text/html>%</math>",
    "<textarea>%</textarea>", "<title>%</title>", "<iframe>%</iframe>", "<xmp>%</xmp>", "<noembed>%</noembed>",
    "<noframes>%</noframes>", "<script>%</script>", "<script><!--%--></script>", "<style>%</style>",
    "<script type=text/template>%</script>", "<script><!--<script>%</script>%", "<svg/>%", "<svg><path/>%",
    "</p>%", "</br>%", "</body>%", "</html>%", "</head>%", "<head>%</head>", "<body>%", "<table>%</table>",
    "<table><tr><td>%</table>", "<tr>%</tr>", "<select>%</select>", "<select><option>%</select>",
    "<button>%</button>", "<object>%</object>", "<video>%</video>", "<audio>%</audio>", "<picture>%</picture>",
    "<picture><div>%</div></picture>", "<ul><li>%", "<a href=x>%</a>", "<b><i>%</b></i>", "<details>%",
    "<dialog>%", "<template><template>%</template>%</template>", "<noscript><noscript>%</noscript>%</noscript>",
    "<template>%", "<div><template shadowrootmode=open>%</template></div>", "<marquee>%",
    "<listing>%</listing>", "<colgroup>%</colgroup>", "<caption>%", "<form>%</form>", "<applet>%</applet>",
    "<ruby><rt>%", "<pre>\n%</pre>", '<div a="%">', "<div a='%'>", "<div a=%>", "<x-y>%</x-y>", "<p%>", "<%>",
    "< img%>", "<a%b>", "<img/%>", "<svg><a>%</a></svg>", "<search>%</search>", "<object data=x>%</object>",
    '<iframe srcdoc="%"></iframe>',
)  # fmt: skip
STARTS = (
    "", "", "", "<!doctype html>", '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x>y">',
    "<?xml version='1.0'?>", "<html lang=en>", "<html><head>", "<!-- x --><!doctype html>", "\n\n", "\ufeff",
    "<head><body>", "<p>", "<meta charset=utf-8>", "<meta charset=utf-8><title>x</title>",
    "<!doctype html><head><meta charset=utf-8>",
)  # fmt: skip
BASES = (
    "<base href=/other/>", "<base href='//cdn.example/'>", "<base href=data:x>", "<base href='javascript:1'>",
    "<base>", "<base target=x>", "<base href=''>", "<base href='https://b.example/x/y?q#f'>",
    "<base href=' sub/ '>", '<BASE HREF="../"/>', "<noscript><base href=/n/></noscript>",
    "<template><base href=/t/></template>", "<!--<base href=/c/>-->", "<base href='a' href='b/'>",
    "<base href='?x'>", "<base href='file:///x'>", "<base href='b\tc/'>", "<base href='&#47;e&#47;'>",
)  # fmt: skip


class Soup:
    """Writes one document; each URL in it has a number of its own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._urls = 0

    def pieces(self, count: int) -> list[str]:
        """The document in pieces any of which may be left out."""
        found = [self.one(STARTS)]
        if self.chance(0.15):
            found += [self.one(BASES) for _ in range(self.random.choice((1, 1, 2)))]
        for _ in range(count):
            found.append(self.wrapped())
            if self.chance(0.02):
                found.append(self.one(BASES))
        return found

    def one(self, of: tuple[str, ...]) -> str:
        return self.random.choice(of)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def wrapped(self) -> str:
        inner = self.media()
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            inner = self.one(AROUND).replace("%", inner)
        return inner

    def media(self) -> str:
        return self.random.choice(MEDIA)(self)

    # URLs and values

    def url(self, extensions: str = "png jpg gif PNG jpeg webp svg mp4") -> str:
        self._urls += 1
        name = f"u{self._urls}.{self.one(tuple(extensions.split()))}"
        shape = self.one(URLS) if self.chance(0.5) else "%"
        return shape.replace("%", name)

    def srcset(self) -> str:
        parts = [
            self.one(CANDIDATES).replace("%", self.url()) for _ in range(self.random.choice((0, 1, 1, 2, 3)))
        ]
        return (
            self.one(("", "", " ", "\n", ",", " , "))
            + self.one((", ", ",", " , ", ",\n", ", ,", " ")).join(parts)
            + self.one(("", "", ",", " ,"))
        )

    def css_url(self) -> str:
        return self.one(CSS_URLS).replace("%", self.url())

    def declarations(self) -> str:
        return self.one((";", "; ", ";;", ";\n", "")).join(
            self.one(DECLARATIONS).replace("%", self.css_url())
            for _ in range(self.random.choice((1, 1, 2, 3)))
        )

    def sheet(self) -> str:
        return self.one(("\n", "", " ")).join(
            self.one(RULES).replace("%", self.declarations(), 1).replace("%", self.css_url())
            for _ in range(self.random.choice((1, 2, 3)))
        )

    def attribute(self, name: str, value: str) -> str:
        """A name and its value as tag soup spells them."""
        if self.chance(0.1):
            name = self.one((name.upper(), name.title()))
        equals = self.one(("=", "=", "=", "=", " = ", "\n=", "=\t", "= \f"))
        quote = self.one(('"', '"', '"', "'", "'", ""))
        if (
            quote == ""
            and (not value or set(value) & set(" \t\n\f\r>\"'`=<") or self.chance(0.3))
            and not self.chance(0.03)
        ):
            quote = '"'
        if quote and quote in value:
            value = value.replace(quote, "&quot;" if quote == '"' else "&#39;")
        return name + equals + quote + value + quote

    def tag(self, name: str, *attributes: str) -> str:
        words = list(attributes)
        if self.chance(0.3):
            words.insert(self.random.randrange(len(words) + 1), self.one(NOISE))
        if self.chance(0.1):
            name = self.one((name.upper(), name.title()))
        blank = self.one((" ", " ", " ", "\n", "\t", "/", "  ", " / ", "\f", "\r\n"))
        return f"<{name}{blank}{blank.join(words)}{self.one(('', '', ' ', '/', ' /'))}>"


NOISE = (
    "alt", "alt=''", 'alt="a > b"', "alt='<img src=no1.png>'", "title=\"'\"", "title='\"'", '"', "'", "=", "<",
    'x="', "a=b=c", "onload=\"f('>')\"", "src", "src=''", "data-x='{\"a\":\"b.html\"}'", "style='color:red'",
    "`", 'alt="a"b', 'alt=a"b', "\x00", "a\x00b=c", 'alt="&lt;img src=no2.png>"', "width=1", "alt=<b>",
    "hidden", 'alt="--">', "class='a\nb'",
)  # fmt: skip
URLS = (
    "/%", "//cdn.example/%", "https://cdn.example/%", "http://cdn.example/%", "%?x=1&amp;y=2", "%?x=1&y=2",
    "%?a=1&sect=2", "%?a=1&sectionId=2", "%?a=1&copy", "%?a=1&copy=2", "%?a&copy2=3", "a&notin;b/%",
    "a&notit;b/%", "%?&#47;&#x2f", "%?&#x80;&#0;&#xD800;&#9999999999;", "%?&amp;amp;", "%?&AMP=1", "%?&ampx=1",
    " % ", "\n%\n", "a b/%", "a\tb/%", "a\nb/%", "\\x\\%", "..\\%", "a\x00b/%", "é/%", "%?é", "日本/%?日本", "%?“",
    "%25/%", "%zz/%", "a|b^c/%", "a{b}`c/%?{|}`^", "../../../%", "./%", "a/../%", "a/%2e%2E/%", ";p/%", "%;p",
    "javascript:%", "data:image/png,%", "mailto:%", "//:0", "http://", "https:///x/%", "https:/x/%", "https:%",
    "http:%", "#%", "", "?%", "https://u:p@h.example/%", "https://cdn.example:443/%",
    "https://cdn.example:99999/%", "https://cdn.example:8080/%", "https://bücher.example/%",
    "https://ex%61mple.org/%", "https://[::1]/%", "https://1.2.3/%", "HTTPS://CDN.EXAMPLE/%",
    "https://cdn.example./%", "about:blank", "blob:https://x/%", "{{x}}/%", "${x}/%", "a'b/%", 'a"b/%',
    "a(b)c/%", "a,b/%", ",%", "%,", "%#f", "%#a?b", "%?a#b", "%?", "%?'\"<>", "a%20b/%", "https://cdn.example",
    "https://cdn.example?%", "https://xn--/%", "https://-a.example/%", "https://a_b.example/%",
    "https://cdn.example/%?u=https://e.org/x.png", "x:%", "//cdn.example\\%", "https:\\\\cdn.example\\%",
    "/\\cdn.example/%", "\u00a0%", "%\u00a0", "\u200b%", "😀/%", "a+b/%", "a&#10;b/%", "&#32;%",
    "https&colon;//cdn.example/%",
)  # fmt: skip
CANDIDATES = (
    "%", "%", "% 2x", "% 1x", "% 100w", "% 1.5x", "% 1e3x", "% .5x", "% 1.x", "% -1x", "% +1x", "% 0w",
    "% 100w 50h", "% 50h", "% 100h 1w", "% 2x 100w", "% w", "% x", "% 1X", "% 100W", "% (a, b) 2x",
    "% calc(1,2)", "%\n\t2x", "%  ", "% 2x 2x", "% 1.5w", "% -5w", "% 2q", "% inf x", "% 1ex", "% 1e-2x",
    "% 2x (", "% 2x,,", "a,b/% 2x", "%,", "%,, 3x", "% 00w", "% NaNx", "% 0x", "% 1w 1w", "% 99999999999w",
    "% 1e999x", "%\x0b2x", "% 2x\u00a0",
)  # fmt: skip
CSS_URLS = (
    "url(%)", 'url("%")', "url('%')", "url( % )", "URL(%)", "url(\n'%'\n)", 'url("%"', "url(%", "url(a\\ b/%)",
    "url(a b/%)", "url('a\\'b/%')", 'url("a\\\nb/%")', "url(\\75 x/%)", 'image-set("%" 1x)',
    "image-set(url(%) 1x, url(x%) 2x)", "-webkit-image-set(url(%) 1x)",
    "image-set(\"%\" type(\"image/png\"), 'y%' 2x)", "linear-gradient(red,blue), url(%)",
    "cross-fade(url(%), url(z%), 50%)", "/*c*/url(%)/*d*/", "/*url(c%)*/red", '"url(s%)"', "'url(s%)'", "none",
    'url("")', "url()", "url(#%)", "url(data:x,%)", "url(%) red no-repeat", "red url(%)", "url(%)no-repeat",
    "url(%)!important", "url(%) ! important", "url(%) !ie", 'url(a"b%)', "url('%' foo)", 'src("%")', "url (%)",
    'url("%)")', "url('a;b}c{%')", "url(a;b/%)", "url(a{b}/%)", "url(//cdn.example/%)", 'url("\\2f %")',
    "url(%)\\9", "image(url(%))", "url(%), url(v%)", "var(--x, url(%))", "attr(x)", "url(&quot;%&quot;)",
    "url(<%)",
)  # fmt: skip
DECLARATIONS = (
    "background:%", "background-image:%", "background: %", "BACKGROUND:%", "background :%", "list-style:%",
    "list-style-image:%", "border-image:% 1", "border-image-source:%", "mask:%", "mask-image:%",
    "-webkit-mask-image:%", "-webkit-mask-box-image:%", "cursor:%, auto", "cursor:%", "content:%",
    'content: % "x"', "content:counter(x) %", "shape-outside:%", "--x:%", "--X: %", "behavior:%", "filter:%",
    "clip-path:%", "src:%", "color:%", "foo:%", "*background:%", "_background:%", "background%",
    "{background:%}", "x{background:%}", "background:red", "color:red", "/**/background:%", "/*%*/",
    "background:% foo", "background:foo %", "background:rgb(1,2,3) %", "background-image:%,%",
    "background:%;background:none", "background:none;background:%", "background:%!important;background:red",
    "-webkit-border-image:% 1", "-moz-binding:%", "-webkit-background:%", "background-image:foo(%)",
    "b\\61ckground:%", "background: % center/cover", "background:% 0 0 / 10px 10px repeat-x fixed red",
    "fill:%", "marker:%", "offset-path:%", "backdrop-filter:%", "mask-border:% 1", "mask-border-source:%",
    "background:url(", "background:'", "background:(%)", "background:[%]", "background: inherit %",
    "background-color:%", "background-position:%",
)  # fmt: skip
RULES = (
    "a{%}", "a{%}", ".a , #b > c{%}", "a{color:red;%}", "@media print{a{%}}",
    "@media (min-width:1px){a{%}b{%}}", "@supports (a:b){a{%}}", "@supports not (x){a{%}}", "@layer x{a{%}}",
    "@layer a,b;c{%}", "@container (width>1px){a{%}}", "@font-face{src:%}",
    "@font-face{font-family:x;src:url(f.woff)}a{%}", "@import url(i.css);a{%}", "@import 'i.css';",
    "@charset 'x';a{%}", "@namespace x url(y);a{%}", "@keyframes x{from{%}to{color:red}}",
    "@-webkit-keyframes x{0%{%}}", "@page{%}", "@property --x{syntax:'*';inherits:false;initial-value:%}",
    "@unknown{a{%}}", "@unknown x;a{%}", "a:hover::before{%}", "a::-moz-x{%}", "a::-webkit-x{%}", "a:-ms-x{%}",
    "a:is(b,c){%}", "a:foo{%}", "a,{%}", "{%}", "a[b='c}d']{%}", "a[b{%}", "a{b{%}}", "a{&:hover{%}}",
    "a{%;b{%}}", "a{b{color:red}%}", "a{@media x{%}}", "/*a{%}*/b{%}", "<!-- a{%} -->", "a{%", "a{%}}b{%}",
    "}a{%}", "a{(}b{%}", "a{'}\nb{%}", 'a{"}";%}', "a{content:'{';%}", "\\61{%}", "1a{%}", "a>{%}", "a>>b{%}",
    "*{%}", "::selection{%}", "a::after{content:%}", "a:not(b){%}", "a:nth-child(2n+1){%}", "a:nth-child(x){%}",
    "a|b{%}", "*|a{%}", "@media screen{a{%}", "@media{a{%}}", "@starting-style{a{%}}", "@scope (a){b{%}}",
    "@-moz-document url(x){a{%}}", "@view-transition{%}", "a{%}/*", "a{color:red;;%}", "a!b{%}", "a{}b{%}",
    "a;b{%}c{%}", "@media print;a{%}", "@counter-style x{symbols:%}", "a:has(b){%}", "a::part(x){%}",
    ":root{%}", "a$b{%}", "a%b{%}",
)  # fmt: skip
JSON_LD = (
    '{"@type":"Article","image":"%"}', '{"image":["%","%"]}', '{"image":{"@type":"ImageObject","url":"%"}}',
    '{"@graph":[{"logo":{"url":"%"}}]}', '[{"thumbnailUrl":"%"}]', '{"@type":"ImageObject","url":"%"}',
    '{"image":"%",}', '/* x */{"image":"%"}',
)  # fmt: skip


def _simple(name: str, attribute: str, *, end: bool = False) -> Callable[[Soup], str]:
    def write(soup: Soup) -> str:
        return soup.tag(name, soup.attribute(attribute, soup.url())) + (
            f"</{name}>" if end and soup.chance(0.8) else ""
        )

    return write


def _img(soup: Soup) -> str:
    words = [soup.attribute("src", soup.url())]
    if soup.chance(0.3):
        words.append(soup.attribute("srcset", soup.srcset()))
    if soup.chance(0.1):
        words.append(soup.attribute("src", soup.url()))
    if soup.chance(0.2):
        words.append(soup.attribute(soup.one(LAZY), soup.url()))
    soup.random.shuffle(words)
    return soup.tag("img", *words)


def _picture(soup: Soup) -> str:
    sources = "".join(
        soup.tag("source", soup.attribute(soup.one(("srcset", "srcset", "src")), soup.srcset()))
        for _ in range(soup.random.choice((1, 2)))
    )
    return (
        "<picture>"
        + sources
        + soup.one(("", "<div>", "</p>", "<!-- x -->"))
        + _img(soup)
        + soup.one(("</picture>", "", "</source></picture>"))
    )


def _player(soup: Soup) -> str:
    name = soup.one(("video", "audio"))
    source = soup.tag(
        "source",
        soup.attribute("src", soup.url("mp4 mp3 webm png")),
        soup.attribute("type", soup.one(("video/mp4", "audio/mpeg", "x"))),
    )
    start = soup.tag(
        name, *(soup.attribute(a, soup.url("mp4 png mp3")) for a in ("src", "poster") if soup.chance(0.5))
    )
    return (
        start
        + source
        + soup.tag("track", soup.attribute("src", soup.url("vtt")))
        + (f"</{name}>" if soup.chance(0.8) else "")
    )


def _meta(soup: Soup) -> str:
    words = [
        soup.attribute(soup.one(("property", "name")), soup.one(METAS)),
        soup.attribute("content", soup.url()),
    ]
    soup.random.shuffle(words)
    return soup.tag("meta", *words)


def _link(soup: Soup) -> str:
    words = [soup.attribute("rel", soup.one(RELS)), soup.attribute("href", soup.url("png ico css html"))]
    if soup.chance(0.3):
        words.append(soup.attribute("as", soup.one(("image", "video", "script", "IMAGE", "font"))))
    if soup.chance(0.1):
        words.append(soup.attribute("imagesrcset", soup.srcset()))
    soup.random.shuffle(words)
    return soup.tag("link", *words)


def _svg(soup: Soup) -> str:
    return (
        "<svg>"
        + soup.tag(
            soup.one(("image", "feImage", "image", "use")),
            soup.attribute(soup.one(("href", "xlink:href", "XLINK:HREF")), soup.url()),
        )
        + soup.one(("</svg>", "</image></svg>", "</svg>"))
    )


def _input(soup: Soup) -> str:
    return soup.tag(
        "input",
        soup.attribute("type", soup.one(("image", "IMAGE", " image", "text", "imag&#101;"))),
        soup.attribute("src", soup.url()),
    )


def _table(soup: Soup) -> str:
    return "<table>" + soup.tag("tr") + soup.tag("td", soup.attribute("background", soup.url())) + "</table>"


def _frames(soup: Soup) -> str:
    return soup.tag("frame", soup.attribute("src", soup.url("html png")))


def _style(soup: Soup) -> str:
    words = (
        [
            soup.attribute(
                "type", soup.one(("text/css", "TEXT/CSS", "", "text/plain", "text/css;x", " text/css"))
            )
        ]
        if soup.chance(0.2)
        else []
    )
    return (
        soup.tag("style", *words)
        + soup.sheet()
        + soup.one(("</style>", "</style>", "</STYLE >", "</style/>"))
    )


def _json_ld(soup: Soup) -> str:
    text = soup.one(JSON_LD)
    while "%" in text:
        text = text.replace("%", f"/j{soup.random.randrange(10**6)}.png", 1)
    return f'<script type="application/ld+json">{text}</script>'


METAS = (
    "og:image", "og:image:url", "og:image:secure_url", "twitter:image", "OG:IMAGE", "og:image:width",
    "description", "og:video", "og:audio", "twitter:image:src", "og:url", "twitter:player", " og:image",
)  # fmt: skip
RELS = (
    "icon", "shortcut icon", "ICON", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon",
    "image_src", "stylesheet", "alternate stylesheet", "preload", "canonical", "icon\nx", "x icon",
    "apple-touch-startup-image", "alternate", "next", "iconx",
)  # fmt: skip
LAZY = (
    "data-src", "data-original", "data-lazy-src", "data-srcset", "DATA-SRC",
)  # fmt: skip
MEDIA: tuple[Callable[[Soup], str], ...] = (
    _img, _img, _img, _picture, _picture, _player, _player, _meta, _link, _link, _svg, _input, _style, _style,
    _style, _json_ld, _simple("iframe", "src", end=True), _simple("embed", "src"),
    _simple("object", "data", end=True), _frames, _simple("image", "src"), _simple("a", "href", end=True),
    _simple("area", "href"), _table, _table, _simple("table", "background", end=True),
    _simple("div", "data-src"), _simple("video", "src", end=True), _simple("video", "poster", end=True),
    _simple("audio", "src", end=True),
    lambda soup: soup.tag("div", soup.attribute("style", soup.declarations())),
    lambda soup: soup.tag("div", soup.attribute("style", soup.declarations())),
    lambda soup: soup.tag("img", soup.attribute("srcset", soup.srcset())),
    lambda soup: soup.tag("img", soup.attribute("srcset", soup.srcset())),
)  # fmt: skip
