"""A server with 50 threads that wait for work on a queue; a client in the same program
sends it a few requests, then it ends. Hardly any CPU time."""
import queue
import socket
import threading
import time

requests = queue.Queue()


def serve():
    while True:
        connection = requests.get()
        if connection is None:
            return
        with connection:
            connection.sendall(connection.recv(64).upper())


threads = [threading.Thread(target=serve) for _ in range(50)]
for thread in threads:
    thread.start()
with socket.create_server(("127.0.0.1", 0)) as listener:
    for number in range(10):
        with socket.create_connection(listener.getsockname()) as client:
            requests.put(listener.accept()[0])
            client.sendall(f"request {number}".encode())
            assert client.recv(64) == f"REQUEST {number}".encode()
        time.sleep(0.1)
for thread in threads:
    requests.put(None)
for thread in threads:
    thread.join()
print("10 requests served")
