/** On which line of a TOML file each of its values stands. */
import type { AST } from 'toml-eslint-parser';

/** A way from the top of the file: names of keys, and places in lists from 0. */
export type Path = readonly (string | number)[];

const SEPARATOR = '\0';

function names(key: AST.TOMLKey): string[] {
  return key.keys.map((each) => (each.type === 'TOMLBare' ? each.name : each.value));
}

/** Tells the line of a path from 1; of what is not there, that of what it would stand in. */
export function locate(program: AST.TOMLProgram): (path: Path) => number {
  const lines = new Map<string, number>();
  const note = (path: Path, node: { readonly loc: AST.SourceLocation }): void => {
    lines.set(path.join(SEPARATOR), node.loc.start.line);
  };
  const visit = (path: Path, value: AST.TOMLContentNode): void => {
    if (value.type === 'TOMLArray') {
      for (const [index, element] of value.elements.entries()) {
        note([...path, index], element);
        visit([...path, index], element);
      }
    } else if (value.type === 'TOMLInlineTable') {
      for (const each of value.body) visitKey(path, each);
    }
  };
  const visitKey = (path: Path, node: AST.TOMLKeyValue): void => {
    const whole = [...path, ...names(node.key)];
    note(whole, node);
    visit(whole, node.value);
  };
  for (const node of program.body[0].body) {
    if (node.type === 'TOMLKeyValue') {
      visitKey([], node);
      continue;
    }
    note(node.resolvedKey, node);
    for (const each of node.body) visitKey(node.resolvedKey, each);
  }
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(path.slice(0, length).join(SEPARATOR));
      if (line !== undefined) return line;
    }
    return 1;
  };
}
