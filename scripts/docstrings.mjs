// The rule `house/docstring` of eslint.config.js: each exported name has a docstring, and so has each public method of an exported class; that of
// a function which throws says `@throws`, wherever in its text. No other tag is asked for. What imports and exports again is not looked at.
// eslint-plugin-jsdoc does not serve: it sees a tag only at the beginning of a line, and what it has for Node.js 20 gets no more corrections.

const MISSING = 'a docstring is missing: what it is or does, with units, errors and the source of a rule';
const NO_THROWS = 'it throws, so its docstring says @throws';

/** oclif shows people the `summary` and `description` of a command. */
const isCommand = ({superClass}) => /Command$/.test(superClass?.name ?? '');
/** The interface has the docstrings of the methods. */
const isImplementation = (node) => (node.implements ?? []).length > 0;
/** `type RecordTime = UsageRecord['time']`: described where the whole type is. */
const isPartOfType = ({type, typeAnnotation}) => type === 'TSTypeAliasDeclaration' && typeAnnotation.type === 'TSIndexedAccessType';

const isFunction = (node) => /^(?:Arrow)?Function(?:Declaration|Expression)$/.test(node?.type ?? '');

/** A constructor is not: its class has a docstring. */
const isPublicMethod = ({type, kind, key, value, accessibility}) =>
  (type === 'MethodDefinition' || (type === 'PropertyDefinition' && isFunction(value))) &&
  kind !== 'constructor' &&
  key.type !== 'PrivateIdentifier' &&
  (accessibility ?? 'public') === 'public';

/** Nodes of an exported declaration that have a docstring, each with the functions that it is about. */
function documented(statement) {
  const {declaration} = statement;
  if (!declaration || isPartOfType(declaration)) return [];
  if (declaration.type === 'ClassDeclaration') {
    if (isCommand(declaration)) return [];
    const methods = isImplementation(declaration) ? [] : declaration.body.body.filter(isPublicMethod);
    return [{node: statement, functions: []}, ...methods.map((node) => ({node, functions: [node.value]}))];
  }
  const functions = declaration.type === 'VariableDeclaration' ? declaration.declarations.map(({init}) => init) : [declaration];
  return [{node: statement, functions}];
}

/** The function that a throw ends; null when a handler of that function takes it. */
function endedBy(statement) {
  for (let child = statement, node = statement.parent; node; child = node, node = node.parent) {
    if (isFunction(node)) return node;
    if (node.type === 'TryStatement' && node.handler && node.block === child) return null;
  }
  return null;
}

/** A comment `/** … *\/` that ends in the line above, or in the same one. */
function docstringOf(sourceCode, node) {
  const comment = sourceCode.getCommentsBefore(node).at(-1);
  const isDocstring = comment?.type === 'Block' && comment.value.startsWith('*') && node.loc.start.line - comment.loc.end.line <= 1;
  return isDocstring ? comment.value : null;
}

const create = ({sourceCode, report}) => {
  const all = [];
  const throwing = new Set();
  const take = (statement) => {
    all.push(...documented(statement));
  };
  return {
    ExportNamedDeclaration: take,
    ExportDefaultDeclaration: take,
    ThrowStatement: (statement) => {
      throwing.add(endedBy(statement));
    },
    'Program:exit': () => {
      for (const {node, functions} of all) {
        const docstring = docstringOf(sourceCode, node);
        // the first line is enough to be pointed at
        const loc = {start: node.loc.start, end: sourceCode.getLocFromIndex(sourceCode.getIndexFromLoc(node.loc.start) + 1)};
        if (docstring === null) report({loc, message: MISSING});
        else if (functions.some((each) => throwing.has(each)) && !docstring.includes('@throws')) report({loc, message: NO_THROWS});
      }
    },
  };
};

export const house = {rules: {docstring: {meta: {type: 'suggestion', schema: []}, create}}};
