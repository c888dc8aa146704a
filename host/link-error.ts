/** A module that cannot be linked; `problems` has a sentence for each import that is missing. */
export class LinkError extends Error {
  readonly code = 'ERR_SANDPOLL_LINK';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the module cannot be linked:\n${problems.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'LinkError';
    this.problems = problems;
  }
}
