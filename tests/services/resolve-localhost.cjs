// Lets Node find names under ".localhost", which are loopback by RFC 6761, section 6.3. Browsers and
// curl know that by themselves; Node asks the C library, and on a plain Debian that one knows only
// "localhost" itself. Load it before anything that opens a connection:
//
//   NODE_OPTIONS=--require=/path/to/resolve-localhost.cjs node ...
'use strict';
const dns = require('node:dns');

const lookup = dns.lookup;
const isLoopbackName = (name) => typeof name === 'string' && /\.localhost\.?$/i.test(name);

dns.lookup = function (name, options, callback) {
  return lookup.call(this, isLoopbackName(name) ? '127.0.0.1' : name, options, callback);
};
dns.promises.lookup = ((original) => function (name, options) {
  return original.call(this, isLoopbackName(name) ? '127.0.0.1' : name, options);
})(dns.promises.lookup);
