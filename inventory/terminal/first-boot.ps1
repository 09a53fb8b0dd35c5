# The first boot of a terminal: unpacks the software that is on this medium into a folder of its own, which checks the medium,
# installs from it, enrols this machine with the one-time code of the sealed sheet, and exchanges once (docs/runbooks/media.md).
#
#   powershell -NoProfile -ExecutionPolicy Bypass -File first-boot.ps1 [-Medium E:\]
#
# The answer file starts it at the first sign-in; on a shared machine an administrator does. It can be run again at any time.
# The code goes to the software's standard input: never into an argument, a file or a log.
param([string]$Medium = (Split-Path -Parent $PSScriptRoot))

$ErrorActionPreference = 'Stop'

$me = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    $again = '-NoProfile -ExecutionPolicy Bypass -File "{0}" -Medium "{1}"' -f $PSCommandPath, $Medium.TrimEnd('\')
    Start-Process -FilePath powershell.exe -Verb RunAs -ArgumentList $again
    exit
}

$folder = Join-Path $Medium 'renkei'
$manifest = Get-Content -Raw -Encoding UTF8 -LiteralPath (Join-Path $folder 'manifest.json') | ConvertFrom-Json
$package = Join-Path $Medium ($manifest.release.path -replace '/', '\')
$work = Join-Path $env:TEMP ('renkei-' + [guid]::NewGuid())

# A dedicated machine that has no address yet gets that of the inventory; a shared one keeps its own settings.
if ($manifest.profile -eq 'dedicated' -and -not (Get-NetRoute -DestinationPrefix '0.0.0.0/0' -ErrorAction SilentlyContinue)) {
    $network = Get-Content -Raw -Encoding UTF8 -LiteralPath (Join-Path $folder 'network.json') | ConvertFrom-Json
    $wired = @(Get-NetAdapter -Physical | Where-Object { $_.PhysicalMediaType -eq '802.3' -and $_.Status -eq 'Up' })
    if ($wired.Count -ne 1) {
        Write-Host '有線LANを1本だけ接続し、もう一度実行してください。'
        exit 1
    }
    New-NetIPAddress -InterfaceIndex $wired[0].ifIndex -IPAddress $network.address -PrefixLength $network.prefix `
        -DefaultGateway $network.gateway | Out-Null
    $hosts = Join-Path $env:SystemRoot 'System32\drivers\etc\hosts'
    foreach ($entry in $network.names) {
        Add-Content -LiteralPath $hosts -Encoding ASCII -Value ('{0} {1}' -f $entry.address, ($entry.names -join ' '))
    }
}

try {
    Copy-Item -LiteralPath $package -Destination (New-Item -ItemType Directory -Path $work)
    $copy = Join-Path $work (Split-Path -Leaf $package)
    if ((Get-FileHash -LiteralPath $copy -Algorithm SHA256).Hash -ne $manifest.release.sha256) {
        Write-Host 'この媒体は使用できません(ソフトウェアが変更されています)。法務省に連絡してください。'
        exit 1
    }
    Expand-Archive -LiteralPath $copy -DestinationPath $work
    $python = Get-ChildItem -LiteralPath $work -Recurse -Filter python.exe | Select-Object -First 1

    # The signature lies at the top of this medium or of another one.
    $signature = @($Medium) + @(Get-PSDrive -PSProvider FileSystem | ForEach-Object { $_.Root }) |
        ForEach-Object { Join-Path $_ 'renkei.sig' } | Where-Object { Test-Path -LiteralPath $_ } | Select-Object -First 1

    $number = Read-Host '封書の「確認番号」を入力してください'
    $typed = Read-Host '封書の「登録コード」を入力してください(表示されません)' -AsSecureString
    $code = (New-Object Management.Automation.PSCredential('code', $typed)).GetNetworkCredential().Password
    $serial = (Get-CimInstance -ClassName Win32_BIOS).SerialNumber

    $arguments = @('-X', 'utf8', '-m', 'renkei.cli.agent', 'first-boot', '--medium', $Medium)
    $arguments += @('--number', $number, '--serial', $serial)
    $arguments += @('--programs', "$env:ProgramFiles\Renkei", '--code-file', '-')
    if ($signature) { $arguments += @('--signature', $signature) }
    $code | & $python.FullName @arguments
    exit $LASTEXITCODE
} finally {
    Remove-Item -LiteralPath $work -Recurse -Force -ErrorAction SilentlyContinue
}
