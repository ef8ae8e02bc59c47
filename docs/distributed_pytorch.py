"""Train a network of refconv in PyTorch, in several processes, and read the weights back.

    torchrun --nproc-per-node 2 docs/distributed_pytorch.py --data mnist --images 2000

The network is ResNet-18 of torchvision. Each process loads the weights of refconv's ResNet-18 into it, and trains on its part
of the images with DistributedDataParallel and the backend gloo. The first process writes the weights to --out, loads them into
refconv's network, and prints the accuracy of both networks on the test images.

It needs torch and torchvision. On several machines, start it on each: see the documentation of torchrun.
"""

import argparse

import numpy as np
import torch
import torch.distributed as dist
import torchvision
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from refconv import data, models, weights
from refconv.models.torchvision import TORCHVISION
from refconv.training import evaluate

SIZE = (32, 32)


def opened(options):
    """Return the data set: drawn digits, or files that are downloaded once."""
    if options.data != "digits":
        return data.open_dataset(options.data)
    train, test = data.draw_digits(options.images, 0), data.draw_digits(options.test_images, 1)
    return data.Dataset("digits", tuple("0123456789"), train, test, ink=True)


def tensors(images, labels, prepare):
    """Return prepared images, with channels first as in PyTorch, and labels."""
    x = np.ascontiguousarray(prepare(images).transpose(0, 3, 1, 2))
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64)))


def train(network, examples, epochs, batch_size, lr):
    """Train a network; each process reads its own part of the examples."""
    sampler = DistributedSampler(examples, seed=0)
    batches = DataLoader(examples, batch_size // dist.get_world_size(), sampler=sampler, drop_last=True)
    replica = DistributedDataParallel(network)  # adds the gradients of the processes
    optimizer = torch.optim.SGD(replica.parameters(), lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for x, labels in batches:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(replica(x), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
        if dist.get_rank() == 0:
            print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.3f}", flush=True)


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description="Train refconv's ResNet-18 with PyTorch in several processes.")
    parser.add_argument("--data", default="digits", help="digits drawn by refconv, mnist, cifar10, … (default: %(default)s)")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--test-images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64, help="of all processes together (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--out", default="resnet18.pth", help="the file to write (default: %(default)s)")
    options = parser.parse_args()
    dist.init_process_group("gloo")

    dataset = opened(options)
    images, labels = (part[: options.images] for part in dataset.train)
    prepare = data.Preprocessing.of_images(images, SIZE, channels=3, ink=dataset.ink)
    variant = TORCHVISION["resnet18"]  # with torchvision's options, such as the ε of batch normalisation
    model = models.create(variant.name, classes=len(dataset.classes), **variant.arguments)
    model.build((*SIZE, 3), rng=0)

    network = torchvision.models.resnet18(num_classes=len(dataset.classes))
    network.load_state_dict({key: torch.from_numpy(array) for key, array in weights.to_torch(model).items()})
    train(network, tensors(images, labels, prepare), options.epochs, options.batch_size, options.lr)

    if dist.get_rank() == 0:
        torch.save(network.state_dict(), options.out)
        weights.from_torch(model, options.out)
        images, labels = (part[: options.test_images] for part in dataset.test)
        network.eval()
        with torch.no_grad():
            scores = network(tensors(images, labels, prepare).tensors[0])
        ours = evaluate(model, data.Batches(images, labels, 100, shuffle=False, prepare=prepare))
        print(f"accuracy in PyTorch: {100 * np.mean(scores.argmax(1).numpy() == labels):.2f} %")
        print(f"accuracy in refconv: {100 * ours.accuracy:.2f} %")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
