"""Sends what the stock `nats` command line would send, for machines that have none.

request SUBJECT PAYLOAD | publish SUBJECT PAYLOAD | subscribe FILTER | services
Where to connect and as whom stands in the context file that NATS_CONTEXT names.
"""

import asyncio
import json
import os
import sys

import nats

LIMIT_S = 30
DISCOVERY_S = 1


async def settle(client: nats.NATS) -> None:
    """Returns when the server has answered to all that was sent."""
    # The client's first ping may overtake what was sent before it; the second comes after an answer.
    await client.flush()
    await client.flush()


async def main(verb: str, *arguments: str) -> int:
    with open(os.environ["NATS_CONTEXT"], encoding="utf-8") as file:
        context = json.load(file)

    async def complain(error: Exception) -> None:
        print(f"error: {error}", flush=True)

    client = await nats.connect(
        context["url"],
        user=context["user"],
        password=context["password"],
        inbox_prefix=context["inbox_prefix"].encode(),
        error_cb=complain,
    )
    match verb, arguments:
        case "request", (subject, payload):
            try:
                reply = await client.request(subject, payload.encode(), timeout=LIMIT_S)
            except nats.errors.Error as error:
                print(f"error: {error!r}", flush=True)
                return 1
            print(reply.data.decode())
        case "publish", (subject, payload):
            await client.publish(subject, payload.encode())
            await settle(client)
        case "subscribe", (filter_,):
            subscription = await client.subscribe(filter_)
            await settle(client)
            print(f"subscribed to {filter_}", flush=True)
            async for message in subscription.messages:
                print(message.subject, message.data.decode(), flush=True)
        case "services", ():
            inbox = client.new_inbox()
            answers = await client.subscribe(inbox)
            await client.publish("$SRV.PING", b"", reply=inbox)
            try:
                while True:
                    print((await answers.next_msg(timeout=DISCOVERY_S)).data.decode())
            except nats.errors.TimeoutError:
                pass
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    await client.close()
    return 0


sys.exit(asyncio.run(main(*sys.argv[1:])))
