/** Thrown where the gateway answers a call itself, with this status and sentence, instead of passing it on. `cause`: for the log. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, sentence: string, cause?: unknown) {
    super(sentence, { cause })
    this.status = status
  }
}
