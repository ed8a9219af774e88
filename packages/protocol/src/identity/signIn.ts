/** What the page needs to sign people in. */
import { z } from 'zod'
import { createUserInput } from './administration.ts'

/** How somebody can sign in here. */
export const signInWaysSchema = z.object({
  github: z.boolean(),
  /** The operator has no password yet: the link that the server printed at its start is the way in. */
  first: z.boolean(),
})
export type SignInWays = z.output<typeof signInWaysSchema>

const { name, email, password } = createUserInput.shape

export const firstSignInInput = z.strictObject({
  token: z.string().max(200, 'must have at most 200 characters'),
  name,
  email,
  password: password.unwrap(),
})
export type FirstSignInInput = z.output<typeof firstSignInInput>
