/** For tests: which SQL a piece of work sends, on whatever connection of this process. */
import { Client } from 'pg'

/** The texts in their order. Nothing else may work meanwhile. */
export async function statementsOf<T>(work: () => Promise<T>): Promise<{ result: T; statements: string[] }> {
  const statements: string[] = []
  const { query } = Client.prototype
  Client.prototype.query = new Proxy(query, {
    apply(target, client, args: [statement: string | { text: string }, ...rest: unknown[]]) {
      const [statement] = args
      statements.push(typeof statement === 'string' ? statement : statement.text)
      return Reflect.apply(target, client, args)
    },
  })
  try {
    return { result: await work(), statements }
  } finally {
    Client.prototype.query = query
  }
}
