// Users and orders, in SQLite.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'

const hash = promisify(scrypt)

export function openStore(file) {
  const db = new DatabaseSync(file)
  db.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS users (
      id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE COLLATE NOCASE,
      salt BLOB NOT NULL, password BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (
      id INTEGER PRIMARY KEY, email TEXT NOT NULL, item TEXT NOT NULL, amount INTEGER NOT NULL,
      status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paying', 'paid')),
      payment TEXT);
    UPDATE orders SET status = 'open' WHERE status = 'paying';
  `)
  const insertUser = db.prepare(
    'INSERT INTO users (name, email, salt, password) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING')
  const userByEmail = db.prepare('SELECT * FROM users WHERE email = ?')
  const insertOrder = db.prepare('INSERT INTO orders (email, item, amount) VALUES (?, ?, ?)')
  const orderById = db.prepare('SELECT * FROM orders WHERE id = ?')
  const take = db.prepare(`UPDATE orders SET status = 'paying' WHERE id = ? AND status = 'open'`)
  const pay = db.prepare(`UPDATE orders SET status = 'paid', payment = ? WHERE id = ?`)
  const reopen = db.prepare(`UPDATE orders SET status = 'open' WHERE id = ? AND status = 'paying'`)

  return {
    // False when the address has an account already.
    async addUser({ name, email, password }) {
      const salt = randomBytes(16)
      return insertUser.run(name, email, salt, await hash(password, salt, 32)).changes === 1
    },
    async passwordFits(email, password) {
      const user = userByEmail.get(email)
      return user !== undefined
        && timingSafeEqual(user.password, await hash(password, user.salt, 32))
    },
    addOrder: ({ email, item, amount }) =>
      Number(insertOrder.run(email, item, amount).lastInsertRowid),
    order: id => orderById.get(id),
    // True for one caller only: two clicks on "Pay" are one payment.
    beginPayment: id => take.run(id).changes === 1,
    setPaid: (id, payment) => pay.run(payment, id),
    setOpen: id => reopen.run(id),
    close: () => db.close(),
  }
}
