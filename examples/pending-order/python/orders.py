"""Orders that are paid through Holdfast. An order is written down as `pending` before anything is
sent; what settles it is the answer, the callback, or asking again with the same key, whichever
comes first. Nothing here counts attempts or waits between them. Only Python's own library."""
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAYMENTS = os.environ.get("PAYMENTS", "http://127.0.0.1:8080")  # Holdfast
API_KEY = os.environ.get("API_KEY", "sk_test")
SECRETS = os.environ.get("HOOK_SECRET", "").split()  # two during a change
DATABASE = os.environ.get("ORDERS_DB", "orders.db")
TOLERANCE_S = 300
BODY_MAX = 64 * 1024


def run(sql, *values):
    """One statement, committed when this returns."""
    database = sqlite3.connect(DATABASE)
    try:
        with database:
            return database.execute(sql, values).fetchall()
    finally:
        database.close()


def find(order_id):
    rows = run("SELECT id, amount, state FROM orders WHERE id = ?", order_id)
    return dict(zip(("id", "amount", "state"), rows[0])) if rows else None


def settle(state, order_id):
    """A settled order stays as it is: news may come twice and late. A person settles `unknown`."""
    run("UPDATE orders SET state = ? WHERE id = ? AND state IN ('pending', 'unknown')",
        state, order_id)


def state_of_answer(status):
    return "paid" if status < 300 else "declined"


def judge(status, effect, problem):
    """What an answer to the payment says of the order."""
    if status == 202 or effect == "pending":
        return "pending"
    if effect is None:
        return state_of_answer(status)  # the provider's own answer
    if problem.get("safe_to_retry"):
        return "pending"
    if effect == "none":
        return "failed"
    if effect == "applied" and "upstream_status" in problem:
        return state_of_answer(problem["upstream_status"])
    return "unknown"


def pay(order):
    """The same request with the same key each time: it can be asked again whatever happened."""
    request = urllib.request.Request(
        f"{PAYMENTS}/v1/payments", method="POST",
        data=json.dumps({"order": order["id"], "amount": order["amount"]}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": order["id"],
                 "Authorization": f"Bearer {API_KEY}"})
    try:
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            is_problem = answer.headers.get_content_type() == "application/problem+json"
            state = judge(answer.status, answer.headers.get("Holdfast-Effect"),
                          json.loads(text) if is_problem else {})
    except OSError:
        return  # no answer at all: the next look tells
    if state != "pending":
        settle(state, order["id"])


def is_signed(headers, body):
    """Standard Webhooks: one of the signatures was made with one of our secrets, not long ago."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdecimal():
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    given = headers.get("webhook-signature", "").split(" ")
    signed = f"{message_id}.{timestamp}.".encode() + body
    good = False
    for secret in SECRETS:
        marked = secret.startswith("whsec_")
        key = base64.b64decode(secret[6:]) if marked else secret.encode()
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        for one in given:
            good = hmac.compare_digest(one.encode(), b"v1," + mac) or good
    return good


def take_news(event):
    data = event["data"]
    states = {"call.answered": state_of_answer(data.get("answer", {}).get("status", 200)),
              "call.dead": "failed", "call.cancelled": "failed", "call.unknown": "unknown"}
    if event["type"] in states and "key" in data:
        settle(states[event["type"]], data["key"])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        order = None
        if self.path.startswith("/orders/"):
            order = find(urllib.parse.unquote(self.path.removeprefix("/orders/")))
        self.reply(200 if order else 404, order or {})

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if length > BODY_MAX:
            return self.reply(413, {})
        body = self.rfile.read(length)
        if self.path == "/orders":
            wanted = json.loads(body)
            run("INSERT INTO orders VALUES (?, ?, 'pending') ON CONFLICT (id) DO NOTHING",
                wanted["id"], wanted["amount"])
            order = find(wanted["id"])
            if order["state"] == "pending":
                pay(order)
            return self.reply(200, find(wanted["id"]))
        if self.path == "/hooks/holdfast":
            if not is_signed(self.headers, body):
                return self.reply(401, {})
            take_news(json.loads(body))
            return self.reply(200, {})
        if self.path == "/sweep":
            # For a timer: what has been pending for long is asked for again.
            for row in run("SELECT id, amount FROM orders WHERE state = 'pending'"):
                pay({"id": row[0], "amount": row[1]})
            left = run("SELECT count(*) FROM orders WHERE state = 'pending'")[0][0]
            return self.reply(200, {"pending": left})
        return self.reply(404, {})

    def reply(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    run("CREATE TABLE IF NOT EXISTS orders ("
        "id TEXT PRIMARY KEY, amount INTEGER NOT NULL, state TEXT NOT NULL)")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Handler)
    print(f"orders on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
