/* What a browser with scripts off makes of the media in a document: {base, title, strong: [[via, url]], allowed: [url]}.

   `strong` are the forms an extractor has to find. `allowed` is everything else that may be taken for media: any
   attribute of any element, any text in scripts. Nothing here knows anything of the extractor. */
((document, strict) => {
  const EXTENSION = /\.(?:a?png|avif|bmp|gif|hei[cf]|ico|jfif|jpe?g|jpe|jxl|svgz?|tiff?|webp|3gp|avi|flv|m3u8|m4v|mkv|mov|mp4|mpd|mpe?g|og[gvma]|opus|webm|wmv|aac|aiff?|flac|m4a|midi?|mp3|wav|wma|swf)$/i;
  const LAZY = ['data-src', 'data-original', 'data-lazy-src', 'data-bg'];
  const strong = new Set(), allowed = new Set();
  const link = document.createElement('a');
  const resolve = (text) => {
    if (text === null || !/[^\0- ]/.test(text)) return null;
    link.setAttribute('href', text);
    const url = link.href.split('#')[0];
    // A fragment alone is this document, not media.
    if (/^[\0- ]*#/.test(text)) return null;
    if (!/^https?:\/\//.test(url)) return null;
    try { new URL(url); } catch { return null; }
    return url;
  };
  const note = (via, text) => { const url = resolve(text); if (url) strong.add(via + ' ' + url); };
  const allow = (text) => { const url = resolve(text); if (url) allowed.add(url); };
  const isMedia = (text) => { const url = resolve(text); return url && !/\/(?:File|Datei):/.test(url) && EXTENSION.test(url.split('?')[0]); };

  /* HTML, "parse a srcset attribute" */
  const candidates = (input) => {
    const found = []; let position = 0;
    const collect = (pattern) => { pattern.lastIndex = position; const text = pattern.exec(input)[0]; position += text.length; return text; };
    for (;;) {
      collect(/[ \t\n\f\r,]*/y);
      if (position >= input.length) return found;
      let url = collect(/[^ \t\n\f\r]*/y);
      const descriptors = []; let current = '', state = 'in';
      if (url.endsWith(',')) url = url.replace(/,+$/, '');
      else {
        collect(/[ \t\n\f\r]*/y);
        for (;;) {
          const c = position < input.length ? input[position] : null;
          if (state === 'after') {
            if (c === null) break;
            if (!/[ \t\n\f\r]/.test(c)) { state = 'in'; continue; }
          } else if (state === 'parens') {
            if (c === null) { descriptors.push(current); break; }
            current += c; if (c === ')') state = 'in';
          } else if (c === null) { if (current) descriptors.push(current); break; }
          else if (/[ \t\n\f\r]/.test(c)) { if (current) { descriptors.push(current); current = ''; state = 'after'; } }
          else if (c === ',') { position++; if (current) descriptors.push(current); break; }
          else if (c === '(') { current += c; state = 'parens'; }
          else current += c;
          position++;
        }
      }
      let w = null, x = null, h = null, error = false;
      for (const d of descriptors) {
        const number = d.slice(0, -1);
        const real = /^-?(?:\d+|\d*\.\d+)(?:[eE][+-]?\d+)?$/.test(number);
        if (/^\d+w$/.test(d)) { if (w !== null || x !== null || +number === 0) error = true; w = +number; }
        else if (/x$/.test(d) && real) { if (w !== null || x !== null || h !== null || +number < 0) error = true; x = +number; }
        else if (/^\d+h$/.test(d)) { if (h !== null || x !== null || +number === 0) error = true; h = +number; }
        else error = true;
      }
      if (h !== null && w === null) error = true;
      if (error) allow(url); else if (url) found.push(url);
    }
  };
  const noteSet = (via, text) => { if (text) candidates(text).forEach((url) => note(via, url)); };

  const unescape = (text) => text.replace(/\\([0-9a-fA-F]{1,6})[ \n]?|\\(.)/g, (_, hex, c) => hex ? String.fromCodePoint(parseInt(hex, 16)) : c);
  const noteStyle = (via, style) => {
    const cursorOrImage = /^(background-image|list-style-image|border-image-source|mask-image|-webkit-mask-box-image-source|cursor|content|shape-outside|--.*)$/;
    for (const property of style) {
      const value = style.getPropertyValue(property);
      const use = cursorOrImage.test(property) ? note.bind(null, via) : allow;
      for (const match of value.matchAll(/url\((?:"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|([^"')][^)]*))?\)/gi)) {
        const url = unescape(match[1] ?? match[2] ?? (match[3] || '').trim());
        if (!url.startsWith('#')) use(url);
      }
      for (const set of value.matchAll(/image-set\(((?:[^()"]|"(?:[^"\\]|\\[^])*"|\([^()]*\))*)\)/g))
        for (const match of set[1].replace(/\w+\([^()]*\)/g, '').matchAll(/"((?:[^"\\]|\\[^])*)"/g)) use(unescape(match[1]));
    }
  };
  const noteRules = (rules) => {
    for (const rule of rules) {
      if (rule instanceof CSSStyleRule || rule instanceof CSSKeyframeRule || rule.constructor.name === 'CSSNestedDeclarations') noteStyle('style.url', rule.style);
      else if (rule.style) noteStyleWeak(rule.style);
      if (rule.cssRules && !(rule instanceof CSSImportRule)) noteRules(rule.cssRules);
    }
  };
  const noteStyleWeak = (style) => { for (const match of style.cssText.matchAll(/url\("((?:[^"\\]|\\[^])*)"\)/g)) allow(unescape(match[1])); };

  // What the browser drops: declarations and rules that are invalid or replaced.
  const allowUrls = (text) => {
    for (const match of text.matchAll(/url\(\s*(?:"((?:[^"\\]|\\[^])*)"?|'((?:[^'\\]|\\[^])*)'?|((?:[^)\\]|\\[^])*))/gi))
      allow(unescape((match[1] ?? match[2] ?? match[3]).replace(/\\\n/g, '')));
    for (const match of text.matchAll(/image-set\(/g))
      for (const string of text.slice(match.index).matchAll(/"([^"]*)"|'([^']*)'/g)) allow(unescape(string[1] ?? string[2]));
  };

  const HTML = 'http://www.w3.org/1999/xhtml', SVG = 'http://www.w3.org/2000/svg', XLINK = 'http://www.w3.org/1999/xlink';
  let framed = false;
  const html = {
    img(e) { note('img.src', e.getAttribute('src')); noteSet('img.srcset', e.getAttribute('srcset'));
      note('img.currentSrc', e.currentSrc); },
    source(e) {
      const parent = e.parentElement && e.parentElement.localName;
      if (parent === 'picture') { noteSet('source.srcset', e.getAttribute('srcset')); allow(e.getAttribute('src')); }
      else if (parent === 'video' || parent === 'audio') { note('source.src', e.getAttribute('src')); }
      else { allow(e.getAttribute('src')); }
    },
    video(e) { note('video.src', e.getAttribute('src')); note('video.poster', e.getAttribute('poster')); },
    audio(e) { note('audio.src', e.getAttribute('src')); },
    iframe(e) { note('iframe.src', e.getAttribute('src'));
      if (!framed && e.hasAttribute('srcdoc')) {
        framed = true; visit(new DOMParser().parseFromString(e.getAttribute('srcdoc'), 'text/html')); framed = false;
      } },
    frame(e) { note('frame.src', e.getAttribute('src')); },
    embed(e) { note('embed.src', e.getAttribute('src')); },
    object(e) { note('object.data', e.getAttribute('data')); },
    input(e) { if (e.type === 'image') note('input.src', e.getAttribute('src')); },
    a(e) { if (isMedia(e.getAttribute('href'))) note('a.href', e.getAttribute('href')); },
    area(e) { if (isMedia(e.getAttribute('href'))) note('area.href', e.getAttribute('href')); },
    link(e) {
      const rels = (e.getAttribute('rel') || '').toLowerCase().split(/[ \t\n\f\r]+/), href = e.getAttribute('href');
      noteSet('link.imagesrcset', e.getAttribute('imagesrcset'));
      if (rels.includes('stylesheet')) { allow(href); return; }
      for (const rel of rels) {
        if (/^(icon|apple-touch-icon(-precomposed)?|mask-icon|image_src|apple-touch-startup-image)$/.test(rel)) note('link.' + rel.replace('-precomposed', ''), href);
        if (rel === 'preload' && ['image', 'video', 'audio'].includes((e.getAttribute('as') || '').toLowerCase())) note('link.preload', href);
      }
    },
    meta(e) {
      const name = ((e.getAttribute('property') || e.getAttribute('name')) || '').toLowerCase().trim(), content = e.getAttribute('content');
      if (/^(og:image(:url|:secure_url)?|twitter:image(:src)?|og:video(:url|:secure_url)?|og:audio|twitter:player)$/.test(name)) (/&amp;/.test(content) ? allow : note.bind(null, 'meta.' + name))(content);
      if (content) allow(content.replace(/&amp;/g, '&'));
    },
    script(e) { for (const match of e.textContent.matchAll(/"((?:[^"\\]|\\[^])*)"/g)) { allow(match[1]); try { const text = JSON.parse(match[0]); allow(text); allow(text.replace(/&amp;/g, '&')); } catch { } } },
  };
  const visit = (node) => {
    for (const e of node.querySelectorAll('*')) {
      if (e.namespaceURI === HTML) {
        if (html[e.localName] && e.localName !== 'script') html[e.localName](e);
        if (['body', 'table', 'thead', 'tbody', 'tfoot', 'tr', 'td', 'th'].includes(e.localName)) note(e.localName + '.background', e.getAttribute('background'));
      } else if (e.namespaceURI === SVG && (e.localName === 'image' || e.localName === 'feImage')) {
        const href = e.getAttribute('href') ?? e.getAttributeNS(XLINK, 'href');
        if (href && !href.startsWith('#')) note(e.localName + '.href', href);
      } else if (e.namespaceURI === SVG && e.localName === 'a') {
        const href = e.getAttribute('href') ?? e.getAttributeNS(XLINK, 'href');
        if (isMedia(href)) allow(href);
      }
      if (e.hasAttribute('style') && e.style) noteStyle('style.url', e.style);
      for (const { name, value } of e.attributes) {
        if (LAZY.includes(name) && isMedia(value) && !/[{}\n\t]/.test(value)) note('lazy.' + name, value);
        if (name === 'data-srcset') noteSet('lazy.' + name, value);
        allow(value);
        if (/srcset|data-/.test(name) && value.length < 5000) candidates(value).forEach(allow);
        if (name !== 'style') allowUrls(value);
        else if (!strict) allowUrls(value);
      }
      if (e.localName === 'style' && !strict) allowUrls(e.textContent);
      if (e.localName === 'script') html.script(e);
      if (e.localName === 'template' && e.content) visit(e.content);
      if (e.shadowRoot) visit(e.shadowRoot);
      if (e.localName === 'style' && !e.sheet && e.textContent && (!e.type || e.type === 'text/css')) {
        const sheet = new CSSStyleSheet(); sheet.replaceSync(e.textContent); noteRules(sheet.cssRules);
      }
    }
  };
  visit(document);
  for (const sheet of document.styleSheets) if (!sheet.href) noteRules(sheet.cssRules);
  for (const host of document.querySelectorAll('*')) if (host.shadowRoot) for (const sheet of host.shadowRoot.styleSheets) if (!sheet.href) noteRules(sheet.cssRules);
  return { base: document.baseURI, title: document.title, encoding: document.characterSet, strong: [...strong].map((s) => s.split(' ')), allowed: [...allowed] };
})
