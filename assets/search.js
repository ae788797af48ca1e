// How search ranks what it finds: chapters first, the code's own pages last. Part of searchtools.js.
var Scorer = {
  score: ([doc, , , , score]) => score + (/\/\d\d_|five_minutes/.test(doc) ? 40 : /^_modules/.test(doc) ? -60 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
