"""Tiny pipelines with random weights, one of each class, made from their configs without a hub."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

LATENT_SIDE = 8
NUM_TOKENS = 16
WIDTH = 16


def clip_tokenizer() -> Any:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = [*letters, *(letter + "</w>" for letter in letters)]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {entry: number for number, entry in enumerate(entries)}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=NUM_TOKENS)


def clip_text(*, projected: bool = False) -> Any:
    tokenizer = clip_tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=NUM_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return kind(config)


def t5_tokenizer() -> Any:
    letters = [(chr(code), -2.0) for code in range(ord("a"), ord("z") + 1)]
    entries = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *letters]
    return transformers.T5TokenizerFast(vocab=entries, extra_ids=0)


def t5_text(width: int) -> Any:
    config = transformers.T5Config(
        vocab_size=len(t5_tokenizer()), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config)


def vae(**settings: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
        **settings,
    )


def unet(**settings: Any) -> Any:
    given = {"cross_attention_dim": WIDTH} | settings
    return diffusers.UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        norm_num_groups=4,
        **given,
    )


def stable_diffusion(prediction: str) -> Any:
    return diffusers.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=diffusers.DDIMScheduler(
            prediction_type=prediction, clip_sample=False, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(projected=True),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(),
    )


def stable_diffusion_3() -> Any:
    return diffusers.StableDiffusion3Pipeline(
        vae=vae(shift_factor=0.0, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_text(projected=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(projected=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_text(2 * WIDTH),
        tokenizer_3=t5_tokenizer(),
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=LATENT_SIDE,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=16,
            pooled_projection_dim=2 * WIDTH,
            pos_embed_max_size=LATENT_SIDE,
        ),
        # the noise that it adds at each step must come from the rows
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
    )


def flux() -> Any:
    return diffusers.FluxPipeline(
        vae=vae(shift_factor=0.0, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5_text(2 * WIDTH),
        tokenizer_2=t5_tokenizer(),
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            pooled_projection_dim=WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def dit(num_classes: int = 1000) -> Any:
    return diffusers.DiTPipeline(
        transformer=diffusers.DiTTransformer2DModel(
            sample_size=LATENT_SIDE,
            patch_size=2,
            in_channels=4,
            out_channels=8,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            num_embeds_ada_norm=num_classes,
        ),
        vae=vae(),
        # its noise at each step must come from the rows, in both halves of the guided batch
        scheduler=diffusers.DDPMScheduler(clip_sample=False),
    )


def ddpm() -> Any:
    return diffusers.DDPMPipeline(
        unet=diffusers.UNet2DModel(
            sample_size=16,
            in_channels=1,
            out_channels=1,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
        ),
        scheduler=diffusers.DDPMScheduler(),
    )


def overfitted(pictures: Sequence[NDArray[np.uint8]], seed: int, steps: int = 60) -> Any:
    """Return a DDPM that has learnt a few square pictures by heart, in a second.

    It knows noise of the times 200 to 400, where the less a picture shows, the more a model that
    knows it can add.
    """
    torch.manual_seed(seed)
    clean_NCHW = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    scheduler = diffusers.DDPMScheduler()
    unet = diffusers.UNet2DModel(
        sample_size=clean_NCHW.shape[-1],
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        layers_per_block=1,
        norm_num_groups=4,
        add_attention=False,
    )
    optimizer = torch.optim.Adam(unet.parameters(), lr=1e-2)
    for _ in range(steps):
        shown = clean_NCHW[torch.randint(len(clean_NCHW), (8,))]
        noise, times = torch.randn_like(shown), torch.randint(200, 400, (8,))
        heard = unet(scheduler.add_noise(shown, noise, times), times).sample
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(heard, noise).backward()
        optimizer.step()
    return diffusers.DDPMPipeline(unet=unet.eval(), scheduler=scheduler)


MAKERS: Mapping[str, Callable[[], Any]] = {
    "sd1": lambda: stable_diffusion("epsilon"),
    "sd2": lambda: stable_diffusion("v_prediction"),
    "sdxl": stable_diffusion_xl,
    "sd3": stable_diffusion_3,
    "flux": flux,
    "dit": dit,
    "ddpm": ddpm,
}


def save(name: str, folder: Path) -> Path:
    torch.manual_seed(20)
    MAKERS[name]().save_pretrained(folder)
    return folder
