/** What the link of the first sign-in carries in its fragment, which no server and no log ever sees. */
export const firstToken = (hash: string): string | null => new URLSearchParams(hash.slice(1)).get('first')
