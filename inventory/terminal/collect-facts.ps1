# Writes facts.json of this machine, as docs/terminal-facts.md has it; changes nothing else.
#
#   powershell -NoProfile -ExecutionPolicy Bypass -File collect-facts.ps1 [-Out facts.json]
#
# Needs Windows PowerShell 5.1 and an administrator (TPM and Secure Boot are not told to others). What can't be read is null,
# which is reported as not known; what only a person sees (firmware password, ports, cable lock, battery) stays null, too.
param([string]$Out = 'facts.json')

$ErrorActionPreference = 'Stop'

# The value of a block, or null where this machine can't tell it.
function Get-Known([scriptblock]$Block) {
    try { & $Block } catch { $null }
}

# A program of the specification's list: version and SHA-256 of its main file.
function Get-Installed([string]$Id, [string]$File) {
    if (-not $File -or -not (Test-Path -LiteralPath $File)) { return }
    $info = (Get-Item -LiteralPath $File).VersionInfo
    $version = '{0}.{1}.{2}.{3}' -f $info.FileMajorPart, $info.FileMinorPart, $info.FileBuildPart, $info.FilePrivatePart
    if ($Id -eq 'powershell') { $version = $PSVersionTable.PSVersion.ToString() }
    @{ id = $Id; version = $version; sha256 = (Get-FileHash -LiteralPath $File -Algorithm SHA256).Hash.ToLower() }
}

$system = Get-CimInstance -ClassName Win32_ComputerSystem
$bios = Get-CimInstance -ClassName Win32_BIOS
$cpu = Get-CimInstance -ClassName Win32_Processor | Select-Object -First 1
$current = Get-ItemProperty -Path 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$disk = Get-Known { Get-Partition -DriveLetter $env:SystemDrive[0] | Get-Disk }
$physical = Get-Known { Get-PhysicalDisk | Where-Object { $_.DeviceId -eq [string]$disk.Number } | Select-Object -First 1 }

# Assigned in the block itself: an empty list that leaves a block is nothing, and nothing means not known.
$wireless = $null
try {
    $adapters = @(Get-NetAdapter -Physical | Where-Object { $_.PhysicalMediaType -match '802\.11|Wireless' })
    $bluetooth = @(Get-PnpDevice -Class Bluetooth -PresentOnly -ErrorAction SilentlyContinue)
    $wireless = [string[]]@($adapters + $bluetooth | ForEach-Object { $_.Name })
} catch { $wireless = $null }

# 9 is x64, 0 x86, 12 arm64 (Win32_Processor.Architecture); what else there is stays as its number.
$architectures = @{ 0 = 'x86'; 9 = 'x64'; 12 = 'arm64' }
$architecture = $architectures[[int]$cpu.Architecture]
if (-not $architecture) { $architecture = [string]$cpu.Architecture }

# A TPM that isn't enabled serves nobody: it counts as none. Where the query failed nothing is known.
$tpmVersion = Get-Known {
    $found = @(Get-CimInstance -Namespace 'root\cimv2\Security\MicrosoftTpm' -ClassName Win32_Tpm)
    if ($found -and $found[0].IsEnabled_InitialValue) { ($found[0].SpecVersion -split ',')[0].Trim() } else { '' }
}

$defender = Get-Known {
    $folder = (Get-ItemProperty -Path 'HKLM:\SOFTWARE\Microsoft\Windows Defender').InstallLocation
    Join-Path $folder 'MsMpEng.exe'
}

$facts = [ordered]@{
    machine   = @{ manufacturer = $system.Manufacturer; model = $system.Model; serial = $bios.SerialNumber }
    processor = @{ name = $cpu.Name; architecture = $architecture; cores = [int]$cpu.NumberOfCores }
    memory    = @{ mib = [math]::Floor($system.TotalPhysicalMemory / 1MB) }
    disk      = @{
        kind      = Get-Known { if ($physical.MediaType -in 'SSD', 'HDD') { [string]$physical.MediaType } }
        system_gb = Get-Known { [math]::Floor($disk.Size / 1e9) }
    }
    tpm       = @{ version = $tpmVersion }
    firmware  = @{
        kind        = if ($env:firmware_type -eq 'UEFI') { 'UEFI' } elseif ($env:firmware_type) { 'BIOS' } else { $null }
        secure_boot = Get-Known { Confirm-SecureBootUEFI }
        locked      = $null
    }
    ports     = @{
        wired    = Get-Known { @(Get-NetAdapter -Physical | Where-Object { $_.PhysicalMediaType -eq '802.3' }).Count }
        usb3     = $null
        wireless = $wireless
    }
    chassis   = @{ lock_slot = $null }
    power     = @{ backup_minutes = $null }
    os        = @{
        edition   = $current.EditionID
        build     = '{0}.{1}' -f $current.CurrentBuild, $current.UBR
        language  = Get-Known { (Get-SystemPreferredUILanguage) }
        time_zone = (Get-TimeZone).Id
    }
    software  = @(
        Get-Known { Get-Installed 'defender' $defender }
        Get-Known { Get-Installed 'powershell' (Join-Path $PSHOME 'powershell.exe') }
    )
}

# Without a byte order mark, which ConvertTo-Json's usual way into a file would add.
# GetUnresolvedProviderPathFromPSPath: .NET's own working folder isn't PowerShell's.
$path = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Out)
[System.IO.File]::WriteAllText($path, (ConvertTo-Json -InputObject $facts -Depth 5))
Write-Output "$path is written"
