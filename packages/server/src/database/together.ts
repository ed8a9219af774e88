/**
 * Statements that go to the database in one go, on a connection that is pipelined. They are run in the order in which
 * they were sent. Invariant: nothing of them is under way any more when this returns or throws; what it throws is what
 * the first of them threw, since the others may have failed for that alone.
 */
export async function together<T extends readonly unknown[]>(
  statements: {
    [K in keyof T]: Promise<T[K]>
  },
): Promise<T> {
  for (const end of await Promise.allSettled(statements)) if (end.status === 'rejected') throw end.reason
  return Promise.all(statements)
}
