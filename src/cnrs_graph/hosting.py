"""Rules for ordinary web servers that hold a copy of the site: which file answers for which address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnrs_graph.addresses import data_path, path_of
from cnrs_graph.formats import GRAPH_FORMATS, JSONLD, PAGE, TURTLE, Format
from cnrs_graph.register import Retired
from cnrs_graph.replies import EXPOSED, PAGE_POLICY
from cnrs_graph.signposting import LINKSET, LINKSET_JSON
from cnrs_graph.words import WORDS

#: Where the pages and data about what is not there, or no more, stand; nobody is sent there.
GONE = "/gone"
_HEADERS = (
    ("Vary", "Accept"),
    ("Cache-Control", "public, max-age=300"),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", EXPOSED),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer-when-downgrade"),
    ("Content-Security-Policy", PAGE_POLICY),
)
_LANGUAGES = "|".join(WORDS)
_EXTENSIONS = "|".join(fmt.extension for fmt in GRAPH_FORMATS)


@dataclass(frozen=True)
class Copy:
    """What the rules of a copy need to know: where it is served, of what, and which files it has."""

    base: str
    prefix: str
    #: Media types by the extension of the files.
    types: Mapping[str, str]
    retired: Sequence[Retired] = ()


def nginx(copy: Copy) -> str:
    """Rules to include in a server block of nginx whose root is the folder of the files.

    A static server reads no weights: whoever names a page gets one, else the first data format of our table
    that is named.
    """
    at = copy.prefix
    types = "".join(f"    {kind} {ext};\n" for ext, kind in sorted(copy.types.items()) if "." not in ext)
    texts = " ".join(
        sorted({kind for kind in copy.types.values() if kind.startswith("text/")} - {"text/html"})
    )
    asked = "".join(
        f'if ($http_accept ~* "{pattern}") {{ set $as {fmt.extension}; }}\n' for fmt, pattern in _wishes()
    )
    headers = "".join(f'add_header {name} "{value}" always;\n' for name, value in _HEADERS)
    return f"""# Include this in a server block whose root is the folder www beside this file.
charset utf-8;
charset_types {texts};
absolute_redirect off;
default_type text/plain;
types {{
{types}}}
set $as html;
{asked}set $signs "";
# The address as it was sent: what nginx decodes it would not encode again.
if ($request_uri ~ "^{at}/(?:id|doc)/(?<thing>[^?]+)") {{ set $signs '{_signs(copy, "$thing")}'; }}
{headers}add_header Link $signs;
error_page 404 {at}{GONE}/404.html;
location ^~ {at}{GONE}/ {{ internal; }}
{"".join(_nginx_retired(copy, each) for each in copy.retired)}location ~ ^{at}/id/(?<name>.+)$ {{
    if (!-f $document_root{at}/doc/$name.html) {{ return 404; }}
    if ($as = html) {{ return 303 {at}/doc/$thing; }}
    return 303 {at}/data/$thing.$as;
}}
location ~ ^{at}/doc/(?<name>.+)$ {{
    if (!-f $document_root{at}/doc/$name.html) {{ return 404; }}
    if ($as != html) {{ return 303 {at}/data/$thing.$as; }}
    rewrite ^ {at}/doc/$name.html break;
}}
location ~ \\.{re.escape(LINKSET_JSON.extension)}$ {{
    types {{ }}
    default_type {LINKSET_JSON.media_type};
    try_files $uri =404;
}}
location = {at}/ {{ rewrite ^ {at}/index.$as break; }}
location ~ ^{at}/(?<spoken>{_LANGUAGES})/$ {{ rewrite ^ {at}/$spoken/index.html break; }}
location {at}/ {{ try_files $uri.$as $uri $uri.html =404; }}
"""


def apache(copy: Copy) -> str:
    """The same for a virtual host of Apache whose document root is the folder of the files."""
    at, root = copy.prefix, "%{DOCUMENT_ROOT}"
    types = "".join(
        f'AddType "{kind}{"; charset=utf-8" if kind.startswith("text/") else ""}" .{ext}\n'
        for ext, kind in sorted(copy.types.items())
        if "." not in ext
    )
    asked = "".join(
        f'RewriteCond %{{HTTP:Accept}} "{pattern}" [NC]\nRewriteRule ^ - [E=AS:{fmt.extension}]\n'
        for fmt, pattern in _wishes()
    )
    headers = "".join(f'Header always set {name} "{value}"\n' for name, value in _HEADERS)
    signs = _signs(copy, "%{THING}e").replace('"', '\\"')
    return f"""# Include this in a virtual host whose DocumentRoot is the folder www beside this file.
# Needs the modules rewrite, headers and mime; Location headers name the host, so set ServerName and
# UseCanonicalName On.
AddDefaultCharset Off
DirectorySlash Off
{types}<FilesMatch "\\.{re.escape(LINKSET_JSON.extension)}$">
    ForceType {LINKSET_JSON.media_type}
</FilesMatch>
<FilesMatch "^[^.]+$">
    ForceType "text/plain; charset=utf-8"
</FilesMatch>
{headers}Header always set Link "{signs}" env=THING
ErrorDocument 404 {at}{GONE}/404.html
ErrorDocument 410 {at}{GONE}/410
RewriteEngine On
RewriteRule ^ - [E=AS:html]
{asked}RewriteCond %{{ENV:REDIRECT_LEFT}} ^(.+)$
RewriteRule ^{at}{GONE}/410$ {root}{at}{GONE}/%1 [L]
RewriteCond %{{ENV:REDIRECT_STATUS}} ^$
RewriteRule ^{at}{GONE}/ - [R=404,L]
{"".join(_apache_retired(copy, each) for each in copy.retired)}RewriteCond {root}{at}/doc/$1.html -f
RewriteCond %{{THE_REQUEST}} "^\\S+ {at}/(?:id|doc)/([^ ?]+)"
RewriteRule ^{at}/(?:id|doc)/(.+)$ - [E=THING:%1]
RewriteCond {root}{at}/doc/$2.html !-f
RewriteRule ^{at}/(id|doc)/(.+)$ - [R=404,L]
RewriteCond %{{ENV:AS}} !=html
RewriteRule ^{at}/(?:id|doc)/(.+)$ {at}/data/%{{ENV:THING}}.%{{ENV:AS}} [R=303,NE,L]
RewriteRule ^{at}/id/ {at}/doc/%{{ENV:THING}} [R=303,NE,L]
RewriteRule ^{at}/$ {root}{at}/index.%{{ENV:AS}} [L]
RewriteRule ^{at}/({_LANGUAGES})/$ {root}{at}/$1/index.html [L]
RewriteCond {root}$0.%{{ENV:AS}} -f
RewriteRule ^{at}/.*$ {root}$0.%{{ENV:AS}} [L]
RewriteCond {root}$0 !-f
RewriteCond {root}$0.html -f
RewriteRule ^{at}/.*$ {root}$0.html [L]
"""


def w3id(public_url: str) -> str:
    """The rule that sends every permanent address on to where the site is served."""
    rule = f"RewriteRule ^(.*)$ {public_url}/$1 [R=302,NE,L]"
    return f"# For the folder of this project at w3id.org.\nRewriteEngine on\n{rule}\n"


def _wishes() -> list[tuple[Format, str]]:
    """What to look for in an Accept header, the strongest last."""
    return [(fmt, _pattern(fmt)) for fmt in (*reversed(GRAPH_FORMATS), PAGE)]


def _pattern(fmt: Format) -> str:
    return "|".join(re.escape(name).replace("\\-", "-") for name in (fmt.media_type, *fmt.aliases))


def _signs(copy: Copy, thing: str) -> str:
    """The Link header of a thing and of its page: what can be said without looking at it."""
    data = f"{copy.prefix}/data/{thing}"
    return ", ".join(
        (
            f'<{copy.base}id/{thing}>; rel="cite-as"',
            *(
                f'<{data}.{fmt.extension}>; rel="describedby"; type="{fmt.media_type}"'
                for fmt in (TURTLE, JSONLD)
            ),
            *(
                f'<{data}.{fmt.extension}>; rel="linkset"; type="{fmt.media_type}"'
                for fmt in (LINKSET_JSON, LINKSET)
            ),
        )
    )


def _nginx_retired(copy: Copy, retired: Retired) -> str:
    """The answers for one thing that is published no more."""
    at = copy.prefix
    thing = (path_of(copy.base, retired.iri) or "")[len("/doc/") :]
    data = f"location ~ ^{at}/data/{re.escape(thing)}\\.(?<as_asked>{_EXTENSIONS})$"
    if retired.replaced_by is None:
        left = f"{at}{GONE}/{thing}"
        return "".join(
            f"{where} {{ error_page 410 {left}.{ext}; return 410; }}\n"
            for where, ext in (
                (f"location = {at}/id/{thing}", "$as"),
                (f"location = {at}/doc/{thing}", "$as"),
                (data, "$as_asked"),
            )
        )
    page = path_of(copy.base, retired.replaced_by) or ""
    moved = data_path(copy.base, retired.replaced_by, "$as_asked")
    return (
        f"location = {at}/id/{thing} {{ return 301 {at}/id{page.removeprefix('/doc')}; }}\n"
        f"location = {at}/doc/{thing} {{ return 301 {at}{page}; }}\n"
        f"{data} {{ return 301 {at}{moved}; }}\n"
    )


def _apache_retired(copy: Copy, retired: Retired) -> str:
    """The same for Apache."""
    at = copy.prefix
    thing = (path_of(copy.base, retired.iri) or "")[len("/doc/") :]
    data = f"^{at}/data/{re.escape(thing)}\\.({_EXTENSIONS})$"
    if retired.replaced_by is None:
        left = f"RewriteRule ^{at}/(?:id|doc)/{re.escape(thing)}$ - [E=LEFT:{thing}.%{{ENV:AS}},G]\n"
        return f"{left}RewriteRule {data} - [E=LEFT:{thing}.$1,G]\n"
    page = path_of(copy.base, retired.replaced_by) or ""
    moved = data_path(copy.base, retired.replaced_by, "$1")
    return (
        f"RewriteRule ^{at}/(id|doc)/{re.escape(thing)}$ {at}/$1{page.removeprefix('/doc')} [R=301,L]\n"
        f"RewriteRule {data} {at}{moved} [R=301,L]\n"
    )
