"""Messages that try to run a script, or to reach a server, when they are looked at.

Each one that succeeds requests ``/pwned``, or sets ``pwned`` on a window.
"""

from __future__ import annotations

from flask_mail import Message

_ACT = "top.pwned=window.pwned=1;fetch('/pwned')"
_ATTRIBUTE = f'"{_ACT}"'
_URL = f"'javascript:{_ACT}'".replace("('/pwned')", "(`/pwned`)")

# As the HTML of a message.
HTML = (
    f"<script>{_ACT}</script>",
    "<script src=/pwned></script>",
    f"</style><script>{_ACT}</script>",
    f"--><script>{_ACT}</script>",
    f"</textarea></title></iframe></noscript><script>{_ACT}</script>",
    f"<scr<script>ipt>{_ACT}</scr</script>ipt>",
    f"<img src=x onerror={_ATTRIBUTE}>",
    f"<img src=/pwned onload={_ATTRIBUTE}>",
    f"<svg onload={_ATTRIBUTE}></svg>",
    f"<svg><script>{_ACT}</script></svg>",
    f"<svg><animate onbegin={_ATTRIBUTE} attributeName=x dur=1s></animate></svg>",
    "<svg><image href=/pwned /></svg>",
    "<svg><use href='/pwned#a'></use></svg>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={_ATTRIBUTE}>",
    f"<body onload={_ATTRIBUTE} onpageshow={_ATTRIBUTE}>",
    f"<details open ontoggle={_ATTRIBUTE}><summary>x</summary></details>",
    f"<input autofocus onfocus={_ATTRIBUTE}>",
    f"<video autoplay onerror={_ATTRIBUTE}><source src=x onerror={_ATTRIBUTE}></video>",
    f"<audio src=/pwned onerror={_ATTRIBUTE}></audio>",
    f"<marquee onstart={_ATTRIBUTE}>x</marquee>",
    f"<p style='animation:a 1s' onanimationstart={_ATTRIBUTE}>x</p><style>@keyframes a{{}}</style>",
    "<iframe srcdoc='<script>top.pwned=1</script>'></iframe>",
    f"<iframe src={_URL}></iframe>",
    "<iframe src=/pwned></iframe>",
    "<iframe src='data:text/html,<script>top.pwned=1</script>'></iframe>",
    "<object data=/pwned></object><embed src=/pwned>",
    f"<object data={_URL}></object>",
    "<link rel=stylesheet href=/pwned><link rel=preload as=script href=/pwned>",
    "<link rel=prefetch href=/pwned><link rel=icon href=/pwned>",
    "<style>@import '/pwned';</style>",
    "<style>body{background:url(/pwned)}@font-face{font-family:a;src:url(/pwned)}p{font-family:a}"
    "</style><p>x</p>",
    "<p style='background:url(/pwned)'>x</p><table background=/pwned><tr><td>x</table>",
    "<meta http-equiv=refresh content='0;url=/pwned'>",
    "<meta http-equiv=refresh content='0;url=javascript:top.pwned=1'>",
    "<meta http-equiv=Content-Security-Policy content=\"default-src * 'unsafe-inline'\">"
    f"<script>{_ACT}</script>",
    "<meta http-equiv=set-cookie content='pwned=1'>",
    "<base href='/pwned/'><img src=x><a href=y>y</a>",
    "<form action=/pwned id=f><input name=a></form><script>f.submit()</script>",
    "<img srcset='/pwned 1x'><picture><source srcset=/pwned><img></picture>",
    "<video poster=/pwned></video><input type=image src=/pwned>",
    f"<template shadowrootmode=open><img src=x onerror={_ATTRIBUTE}></template>",
    f'<img src="cid:&quot;onerror={_ACT}">',
    f"<img src=cid:x onerror={_ATTRIBUTE}>",
    f"<a id=link href={_URL}>click me</a>",
    f"<a id=link target=_self href={_URL}>click me</a>",
    f"<a id=link target=_top href={_URL}>click me</a>",
    "<a id=link target=_top href='data:text/html,<script>top.pwned=1</script>'>click me</a>",
    f"<form><button id=link formaction={_URL}>x</button></form>",
    "<form action=/pwned method=post><button id=link>click me</button></form>",
    f"<button id=link onclick={_ATTRIBUTE}>click me</button>",
)

# Each one makes Chromium connect to {}, without a request, if nobody keeps it from that.
CONNECTING = (
    '<link rel="preconnect" href="{}">',
    "<LINK\nhref={} rel=preconnect>",
    '<iframe src="{}">',
    '<frameset><frame src="{}"></frameset>',
    "<FRAMESET cols=*><FRAME/SRC={}></FRAMESET>",
    "<html><head></head><frameset><frame src={}></frameset></html>",
    "<noframes></noframes><frameset onload=1><frame longdesc={} src={}>",
    "<frameset\f><frame\fsrc={}>",
    "<svg><foreignObject><iframe src={}></iframe></foreignObject></svg>",
    "<template shadowrootmode=open><iframe src={}></iframe><iframe src={}></template>",
    "<noscript><iframe src={}></iframe><frame src={}></noscript>",
    "<style></style><!--><iframe src={}>-->",
    "<title></title><iframe src={}></iframe>",
    "<table><iframe src={}></table>",
    "<select><iframe src={}></select>",
    "<![CDATA[><iframe src={}>]]>",
    "<?xml ><iframe src={}>",
    "<</><iframe src={}>",
    "<iframe\tsrc={}>",
    "<iframe\rsrc={}>",
    "<iframe//src={}>",
    "<a href=x><iframe src={}><a>",
    "<xmp></xmp><iframe src={}>",
    '<iframe srcdoc="<link rel=preconnect href={}>"></iframe>',
    '<iframe srcdoc="&lt;iframe src={}&gt;"></iframe>',
    "<object data={}></object><embed src={}><applet code={}></applet>",
    "<portal src={}></portal><fencedframe src={}></fencedframe>",
    '<meta http-equiv=refresh content="0;url={}"><link http-equiv=refresh content="0;url={}">',
    "<img src={} srcset={} attributionsrc={}><a href={} ping={}>x</a><base href={}>",
    "<svg><image href={} /><use href={}#a /><set attributeName=href to={} /></svg><math href={}>",
)

# As any text of a message.
TEXTS = (
    f"<script>{_ACT}</script>",
    f'"><script>{_ACT}</script>',
    f"'><img src=x onerror={_ATTRIBUTE}>",
    f"</title></textarea></pre><script>{_ACT}</script>",
    f"javascript:{_ACT}",
    f'https://a.example/" onmouseover="{_ACT}" style="position:fixed;inset:0"',
    "{{ ''.__class__ }}{% include '/etc/passwd' %}${pwned}",
    f"<svg/onload={_ACT}>",
    "<img src=/pwned>",
    "&lt;script&gt;&#60;script&#62;",
)


def messages() -> list[Message]:
    """Return them all."""
    hostile = [
        Message("HTML", ["ann@example.com"], "text", html, sender="a@example.com") for html in HTML
    ]
    for text in TEXTS:
        message = Message(
            text, [(text, "ann@example.com")], text, sender=(text, "mallory@example.com")
        )
        message.extra_headers = {"X-Text": text}
        message.attach(f"{text}.html", "text/html", text)
        message.attach("image.png", "image/png", text.encode())
        hostile.append(message)
    return hostile
