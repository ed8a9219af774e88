// @ts-check
/** A reason why set-up cannot go on, in sentences for people. */
export class Problem extends Error {
  /**
   * @param {string} what
   * @param {string} why
   * @param {string} remedy
   */
  constructor(what, why, remedy) {
    super(what)
    this.why = why
    this.remedy = remedy
  }
}

/**
 * The end of what a command printed, where its reason stands.
 * @param {{ stdout: string, stderr: string, error?: Error }} result
 */
export function lastLinesOf({ stdout, stderr, error }) {
  if (error) return error.message
  return `${stdout}\n${stderr}`.trim().split('\n').slice(-8).join('\n    ')
}
