/** `${env:NAME}` in the configuration of an MCP server: it stands for a variable or secret of the session. Pure. */

const placeholder = /\$\{env:([^}]*)\}/g

/** The names that stand in a text, each once. */
export const placeholdersIn = (text: string): string[] => [
  ...new Set([...text.matchAll(placeholder)].map(([, name = '']) => name)),
]

/** Each placeholder as what it stands for; one of an unknown name stays as it is. */
export const filledIn = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replaceAll(placeholder, (whole, name: string) =>
    Object.hasOwn(variables, name) ? (variables[name] ?? whole) : whole,
  )
